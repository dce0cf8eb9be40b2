"""Files that scripts/robustness/fuzz.py damages: what is read of each, and how it is damaged."""

import contextlib
import hashlib
import io
import json
import pickle
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from gan_sntg.__main__ import main
from gan_sntg.data import CIFAR10, MNIST, SVHN, Arrays, Digits, load_split, public
from gan_sntg.errors import InputError
from gan_sntg.export import load_export
from gan_sntg.files.array_files import load_tensors
from gan_sntg.pictures import read_picture

EDGE = 160  # bytes of head and tail, where headers are, that are hit more often
CLAIMS = [struct.pack(order + "Q", n) for n in (2**15, 2**31 - 1, 2**32 - 1, 2**63 - 1) for order in "<>"]
CLAIMS += [b"99999999999", b"-1", b"1e999", b"9" * 400, b"NaN", b"\xff\xff"]  # sizes and numbers that a file may state
KEYS = st.sampled_from(["class_path", "init_args", "format", "config", "__class__"]) | st.text(max_size=8)
LEAVES = st.sampled_from([None, True, -1, 0.5, 2**63, 1e308, float("nan"), "", "../../x", "os.system", "a" * 10_000, "[" * 2000, "*a"])
LEAVES |= st.integers() | st.text(max_size=8)
BRANCHES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=6)
Damage = Callable[[bytes], st.SearchStrategy[bytes]]


@st.composite
def in_bytes(draw, whole: bytes) -> bytes:
    """Bytes of which one to three blocks were lost, zeroed, doubled or replaced."""
    data = whole
    for _ in range(draw(st.integers(1, 3))):
        n = len(data)
        start = draw(st.integers(0, n) | st.integers(0, min(n, EDGE)) | st.integers(max(0, n - EDGE), n))
        block = data[start : start + draw(st.sampled_from([0, 1, 1, 2, 4, 8, 64, n]))]
        new = draw(st.binary(min_size=min(len(block), 8), max_size=8) | st.sampled_from([b"", bytes(len(block)), 2 * block, *CLAIMS]))
        data = data[:start] + new + data[start + len(block) :]
    return data


@st.composite
def in_zip(draw, whole: bytes) -> bytes:
    """Archive with one damaged member, often the one that describes the others, under a right checksum."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = draw(st.sampled_from([*members, *[name for name in members if name.endswith(".pkl")] * len(members)]))
    members[name] = draw(in_bytes(members[name]))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@st.composite
def changed(draw, tree):
    """Tree of which a branch was replaced, removed, renamed or, in a list, moved to the end."""
    how = draw(st.sampled_from(["enter", "enter", "enter", "remove", "rename", "replace"]))
    if how == "replace" or not tree or not isinstance(tree, dict | list):
        return draw(BRANCHES)
    entries = dict(tree) if isinstance(tree, dict) else dict(enumerate(tree))
    branch = entries.pop(key := draw(st.sampled_from(list(entries))))
    if how != "remove":
        entries[key if how == "enter" else draw(KEYS)] = draw(changed(branch)) if how == "enter" else branch
    return entries if isinstance(tree, dict) else list(entries.values())


def in_tree(parse: Callable[[bytes], object], write: Callable[[object], bytes]) -> Damage:
    """Damage to the tree that a file holds, or to its bytes."""
    return lambda whole: changed(parse(whole)).map(write) | in_bytes(whole)


JSON = in_tree(json.loads, lambda tree: json.dumps(tree).encode())
YAML = in_tree(yaml.safe_load, lambda tree: yaml.safe_dump(tree).encode())


class Subject(NamedTuple):
    """File of a kind, and `read`, which gives what it means or raises InputError.

    `read` may write to the folder out. hashed: whether other contents must be refused. named: of which a refusal must say one, by default
    the name of the file.
    """

    kind: str
    path: Path
    read: Callable[[], object]
    hashed: bool = False
    damage: Damage = in_bytes
    named: tuple[str, ...] = ()


def command(words: str) -> str:
    """Status and output of `gan-sntg` with these words. Raises InputError where it refuses them."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        status = main(words.split())
    if status == 2:
        raise InputError(err.getvalue())
    return f"{status} {out.getvalue()}"


def train(config: Path, out: str = "out") -> str:
    """Output of a run of two steps."""
    lengths = "--epochs 2 --steps_per_epoch 1 --interval_epochs 1"
    return command(f"train --config {config} --out {out} {lengths} --device cpu --liveness false")


def run_files(configs: Path) -> list[Subject]:
    """Checkpoint of a run that goes on, configurations, and what `gan-sntg compare` reads of a run."""
    gan, supervised = (Path(shutil.copy(configs / name, ".")) for name in ("digits_20/fm_gan.yaml", "digits_all/supervised.yaml"))
    for path in gan, supervised:
        train(path, path.stem)
    command("evaluate fm_gan --fidelity --extractor supervised --samples 100")
    shutil.copytree("fm_gan", "killed")
    Path("killed/result.json").unlink()
    checkpoint = Path("killed/checkpoints/last-1.pt").replace("killed/checkpoints/last.pt")
    split, source = Path(shutil.copy("fm_gan/split.json", ".")), Digits()

    def resumed() -> tuple:
        shutil.copytree("killed", "out")
        return train(gan), load_tensors(checkpoint)

    def config(path: Path) -> Subject:
        options = {key or kind for key, kind in re.findall(r"(\w+):|\.(\w+)$", path.read_text(), re.M)}
        return Subject("config YAML", path, lambda: (train(path), Path("out/config.yaml").read_text()), False, YAML, (path.name, *options))

    def page() -> str:
        command("compare fm_gan supervised --out out")
        return Path("out/index.html").read_text()

    shown = [Path("fm_gan", f"{name}.json") for name in ("result", "environment", "fidelity", "split")]
    return [
        Subject("checkpoint", checkpoint, resumed, hashed=True),
        Subject("checkpoint, sealed again", checkpoint, resumed, damage=in_zip),
        Subject("split.json", split, lambda: load_split(split, source), damage=JSON),
        *map(config, (gan, supervised)),
        Subject("config YAML", Path("fm_gan/config.yaml"), page, damage=YAML, named=("fm_gan",)),
        *[Subject(path.name, path, page, damage=JSON) for path in shown],
        Subject("metrics.jsonl", Path("fm_gan/metrics.jsonl"), page),
        Subject("PNG", Path("fm_gan/samples/epoch_0002.png"), page),
    ]


def export_files() -> list[Subject]:
    """Card of an export; and weights, as they are and with the hash of what they became."""
    command("export fm_gan --out export")
    shutil.copytree("export", "sealed")
    card = json.loads(Path("export/card.json").read_text())
    name = next(name for name in card["files"] if name.endswith(".safetensors"))

    def read(folder: str = "export") -> list:
        classifier, generator, found = load_export(folder)
        return [found, *(net.state_dict() for net in (classifier, generator) if net)]

    def sealed() -> list:
        hashes = card["files"] | {name: hashlib.sha256(Path("sealed", name).read_bytes()).hexdigest()}
        Path("sealed/card.json").write_text(json.dumps(card | {"files": hashes}))
        return read("sealed")[1:]

    return [
        Subject("card.json", Path("export/card.json"), read, damage=JSON),
        Subject("safetensors", Path("export", name), read, hashed=True),
        Subject("safetensors, sealed again", Path("sealed", name), sealed),
    ]


def data_files() -> list[Subject]:
    """Files of public sets in miniature, made known by their hashes; an .npz of arrays; pictures."""
    x, y, mat, own = np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32), np.uint8), np.arange(12) % 3, io.BytesIO(), Path("own.npz")
    savemat(mat, {"X": x.T, "y": (y + 1)[:, None].astype(np.uint8)}, do_compression=True)
    images, labels = b"\0\0\x08\3" + struct.pack(">3I", 12, 96, 32) + x.tobytes(), b"\0\0\x08\1\0\0\0\x0c" + bytes(y.tolist())
    batch = pickle.dumps({b"data": x.reshape(12, -1), b"labels": y.tolist()}, protocol=3)
    subjects = []
    for source, contents in {MNIST: [images, labels] * 2, SVHN: [mat.getvalue()] * 2, CIFAR10: [batch] * 6}.items():
        for name, data in zip(source.files, contents, strict=True):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(data)
            public.KNOWN_FILES[name] = hashlib.sha256(data).hexdigest()
        subjects.append(Subject(f"file of {source.name}", Path(source.files[0]), lambda source=source: source(".").sha256, hashed=True))
    np.savez_compressed(own, train_x=x, train_y=y, test_x=255 - x, test_y=y)
    subjects.append(Subject("npz", own, lambda: Arrays(file=own.name, root=".").sha256, hashed=True))
    subjects.append(subjects[-1]._replace(kind="npz, sealed again", hashed=False, damage=in_zip))
    for suffix in "png", "jpg", "webp", "bmp", "gif", "tiff", "ppm":
        Image.fromarray(x.reshape(96, 128, 3)[:40]).save(path := Path(f"picture.{suffix}"))
        kind = "PNG" if suffix == "png" else "JPEG, WebP, BMP, GIF, TIFF, PPM"
        subjects.append(Subject(kind, path, lambda path=path: read_picture(path, 32, color=True)))
    return subjects
