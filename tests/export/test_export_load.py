"""Loading an export: every damaged, foreign or malicious part is refused by name, and nothing that a file holds is executed."""

import hashlib
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from helpers.data_files import Intruder

from gan_sntg.errors import InputError
from gan_sntg.export import load_export

NET, GENERATOR, PROGRAM, CARD = "classifier.safetensors", "generator.safetensors", "classifier.pt2", "card.json"


@pytest.fixture
def export(exported, tmp_path) -> Path:
    """A copy to change."""
    return shutil.copytree(exported, tmp_path / "export")


def changed(folder: Path, change) -> None:
    """Apply a function to the card."""
    card = json.loads((folder / CARD).read_text())
    change(card)
    (folder / CARD).write_text(json.dumps(card))


def put(folder: Path, name: str, data: bytes) -> None:
    """Write a file and its hash on the card."""
    (folder / name).write_bytes(data)
    changed(folder, lambda card: card["files"].update({name: hashlib.sha256(data).hexdigest()}))


def refused(folder: Path, *phrases: str) -> None:
    with pytest.raises(InputError) as caught:
        load_export(folder)
    assert [phrase for phrase in phrases if phrase not in str(caught.value)] == []


@pytest.mark.parametrize("name", [NET, GENERATOR, PROGRAM])
def test_a_changed_byte_or_a_missing_file_is_refused_by_name(export, name):
    data = bytearray((export / name).read_bytes())
    data[len(data) // 2] ^= 1
    (export / name).write_bytes(data)
    refused(export, f"{export / name} is damaged or foreign", "export the run again")
    (export / name).unlink()
    refused(export, f"{export / name} cannot be read", "export the run again")


PATHS = [
    "os.system",
    "builtins.eval",
    "torch.nn.Linear",
    "gan_sntg.runs.folder.subprocess.run",
    "gan_sntg.networks.classifiers.nn.Linear",
    "gan_sntg.networks.classifiers.nn",
    "gan_sntg.export.write.GraphModule",
    "gan_sntg.networks.classifiers.GaussianNoise",
    "gan_sntg.networks.classifiers.channels_of",
    "gan_sntg.__main__.main",
    "gan_sntg.__main__.main",
    "gan_sntg.networks.gan.Intruder",
    "gan_sntg.intruder.Thing",
    "gan_sntgx.Thing",
    "gan_sntg",
    "",
    "..gan_sntg.networks.DenseDiscriminator",
    "gan_sntg.networks.DenseDiscriminator\n",
]


@pytest.mark.parametrize("part", ["net", "generator", "normalization"])
@pytest.mark.parametrize("path", PATHS)
def test_a_class_that_is_not_one_of_ours_is_refused(export, part, path):
    changed(export, lambda card: card["architecture"][part].update(class_path=path, init_args={}))
    refused(export, str(export / CARD), path, "is refused")


@pytest.mark.parametrize(("part", "other"), [("net", "normalization"), ("generator", "net"), ("normalization", "net")])
def test_a_class_of_another_kind_is_refused(export, part, other):
    changed(export, lambda card: card["architecture"].update({part: card["architecture"][other]}))
    refused(export, f"{part}: ", "is refused: it is not a ")


@pytest.mark.parametrize("change", [{"class_path": "intruder.Thing"}, {"init_args": {"widths": {"class_path": "intruder.Thing"}}}])
def test_no_module_is_imported_that_is_not_ours(export, tmp_path, monkeypatch, change):
    (tmp_path / "intruder.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    changed(export, lambda card: card["architecture"]["net"].update(change))
    refused(export, "intruder.Thing")
    assert not Path("ran").exists()


@pytest.mark.parametrize("inner", [{"class_path": "torch.nn.Identity"}, "torch.nn.Identity", "Identity"])
def test_no_class_of_torch_is_made_within_one_of_ours(export, inner):
    outer = {"class_path": "gan_sntg.networks.ema.Average", "init_args": {"net": inner, "decay": 0.5}}
    changed(export, lambda card: card["architecture"].update(net=outer))
    refused(export, "no Average can be built", "torch.nn.Identity")


@pytest.mark.parametrize("name", ["../card.json", "/etc/passwd", "classifier/../card.json", "card.json", "other.safetensors", "", "."])
def test_a_file_that_is_not_of_an_export_is_not_opened(export, name):
    changed(export, lambda card: card["files"].update({name: "0" * 64}))
    refused(export, "its files are not those of an export")
    changed(export, lambda card: card["files"].update({name: card["files"].pop(NET)}))
    refused(export, "its files are not those of an export")


@pytest.mark.parametrize("key", ["format", "architecture", "input", "classes", "files"])
@pytest.mark.parametrize("value", ["absent", None, 3, "text", [], {}, [[]], {"net": 3}, [1, 2]])
def test_a_card_without_what_it_must_say_is_refused(export, key, value):
    changed(export, lambda card: card.pop(key) if value == "absent" else card.update({key: value}))
    refused(export, str(export / CARD))


@pytest.mark.parametrize("text", ["", "{", "3", "null", "[]", "[" * 100_000, '{"format": 2}', "\xff"])
def test_what_is_no_card_is_refused(export, text):
    (export / CARD).write_text(text, encoding="latin-1")
    refused(export, str(export / CARD))


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        (lambda card: card["architecture"]["net"]["init_args"].update(widths=[16, 13]), f"{NET} does not fit the network"),
        (lambda card: card["architecture"]["net"]["init_args"].update(widths=[10**9, 12]), f"{NET} does not fit the network"),
        (lambda card: card["architecture"]["generator"]["init_args"].update(latent=9), f"{GENERATOR} does not fit the network"),
        (lambda card: card["architecture"]["net"]["init_args"].update(widths="a"), "no DenseDiscriminator can be built"),
        (lambda card: card["architecture"]["net"]["init_args"].update(widths=["[&a [1], *a]"]), "it has an alias"),
        (lambda card: card["architecture"]["net"]["init_args"].update(depth=3), "no DenseDiscriminator can be built"),
        (lambda card: card["architecture"]["net"]["init_args"].pop("num_classes"), "no DenseDiscriminator can be built"),
        (lambda card: card["input"].update(shape=[1, 8, 9]), "its parts do not fit each other"),
        (lambda card: card["input"].update(shape=[1, 4, 16]), "its networks do not fit the classes and images"),
        (lambda card: card["input"].update(shape=[1, 8, 2**16]), "not in 1..65535"),
        (lambda card: card["input"].update(dtype="int32"), "card.input.dtype"),
        (lambda card: card["input"]["pictures"].update(background=256), "background is 256; give a whole number in 0..255"),
        (lambda card: card["classes"].pop(), "its networks do not fit the classes and images"),
        (lambda card: card["architecture"].update(generator=None), "its files are not those of an export"),
        (lambda card: card["architecture"]["normalization"].update(class_path="gan_sntg.data.ZCA"), "the statistics of ZCA"),
    ],
)
def test_parts_that_do_not_fit_are_refused(export, change, phrase):
    changed(export, change)
    refused(export, phrase)


def test_a_pickle_is_not_opened_whatever_its_name_and_hash(export, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = (export / NET).read_bytes()
    put(export, NET, pickle.dumps(Intruder()))
    refused(export, f"{export / NET} is not a safetensors file")
    put(export, NET, whole)
    put(export, PROGRAM, pickle.dumps(Intruder()))
    load_export(export)
    assert not Path("trace").exists()


def test_weights_of_another_number_format_or_name_are_refused(export):
    state = safetensors.torch.load((export / NET).read_bytes())
    put(export, NET, safetensors.torch.save({name: tensor.half() for name, tensor in state.items()}))
    refused(export, NET, "float16")
    put(export, NET, safetensors.torch.save({f"x.{name}": tensor for name, tensor in state.items()}))
    refused(export, NET, "does not fit the network")


def test_the_program_holds_neither_a_pickle_nor_a_path_of_this_machine(exported):
    with zipfile.ZipFile(exported / PROGRAM) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert [name for name, data in held.items() if data.startswith((b"\x80", b"PK")) and "/weights/weight_" not in name] == []
    assert not any(str(Path(__file__).parents[2]).encode() in data or b"stack_trace" in data for data in held.values())
    config = json.loads(next(data for name, data in held.items() if name.endswith("weights_config.json")))
    assert not any(entry["use_pickle"] for entry in config["config"].values())


@pytest.mark.parametrize(
    "x", [torch.zeros(2, 1, 8, 8), torch.zeros(2, 8, 8, dtype=torch.uint8), torch.zeros(2, 1, 8, 9, dtype=torch.uint8)]
)
def test_other_images_and_z_are_refused_with_what_to_give(exported, x):
    classifier, generator, _ = load_export(exported)
    with pytest.raises(InputError, match=r"give torch\.uint8 \[N, 1, 8, 8\]"):
        classifier(x)
    with pytest.raises(InputError, match=r"give \[N, 8\], uniform in \[0, 1\]"):
        generator(torch.zeros(2, 9))


def test_what_is_loaded_never_trains(exported):
    classifier, generator, _ = load_export(exported)
    for part in classifier.train(), generator.train():
        assert not any(module.training for module in part.modules()) and not any(p.requires_grad for p in part.parameters())


def test_files_that_cannot_be_read_are_named_and_a_card_of_before_says_how_to_go_on(export, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    classifier, _, _ = load_export(export)
    with pytest.raises(InputError, match=r"2 of 2 files cannot be read:\n.*a.png.*\n.*b.png"):
        classifier.read(tmp_path / "a.png", str(tmp_path / "b.png"))
    changed(export, lambda card: card["input"].pop("pictures"))
    classifier, _, _ = load_export(export)
    assert len(classifier.names(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))) == 2
    with pytest.raises(InputError, match="does not say how files become what it takes; export its run again"):
        classifier.names([tmp_path / "a.png"])
