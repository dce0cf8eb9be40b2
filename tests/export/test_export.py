"""The export command: what is loaded computes what the run does, the card says what it is, and nothing is half written."""

import csv
import hashlib
import io
import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.trees import POINTS
from PIL import Image

from gan_sntg.data import Backbone, backbones
from gan_sntg.data.normalization import AsIs, ContrastZCA, PerImage, Symmetric, UnitRange, UnregularizedZCA
from gan_sntg.data.public import Digits
from gan_sntg.evaluation.classification import logits_of, percent_wrong
from gan_sntg.evaluation.fidelity_records import Measurement, Score, record
from gan_sntg.export import Classifier, load_export, write
from gan_sntg.networks import (
    ConvDiscriminator,
    ConvNet13,
    Convolution,
    DenseDiscriminator,
    PatchConvNet,
    PlaneMLP,
    ResidualDiscriminator,
    SmallConvNet,
    VATConvNet,
)
from gan_sntg.runs.build import load as load_run

PAGE = (Path(__file__).parents[2] / "docs/export.md").read_text()
FILES = {"README.md", "card.json", "classifier.pt2", "classifier.safetensors"}
DIGITS = Digits()


def assert_same_as_run(run: Path, export: Path, weights: str = "averaged") -> None:
    """Loaded classifier and program give the logits of the run, whatever the size of the batch."""
    parts, _ = load_run(str(run), "cpu")
    x, (classifier, _, card) = parts.source.test_x, load_export(export)
    logits = logits_of(parts.method.classifiers[weights], x, parts.normalization)
    program = torch.export.load(export / "classifier.pt2").module()
    for n in 1, 7, len(x):
        for found in classifier(x[:n]), program(x[:n]):
            torch.testing.assert_close(found, logits[:n], atol=1e-5, rtol=1e-5)
            assert torch.equal(found.argmax(1), logits[:n].argmax(1))
    assert card.weights == weights
    assert card.evaluation["test_error"] == pytest.approx(percent_wrong(classifier(x), parts.source.test_y))


def test_an_export_is_its_run_and_the_card_bears_its_hashes(exported, finished):
    assert_same_as_run(finished, exported)
    card = json.loads((exported / "card.json").read_text())
    assert {path.name for path in exported.iterdir()} == FILES | {"generator.safetensors"}
    files = [path for path in exported.iterdir() if path.suffix not in (".json", ".md")]
    assert card["files"] == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_last_weights_are_a_choice_and_an_empty_folder_is_filled(command, finished, exported, tmp_path):
    (tmp_path / "last").mkdir()
    assert command("export", finished, "--out", tmp_path / "last", "--classifier", "last").status == 0
    assert_same_as_run(finished, tmp_path / "last", "last")
    name = "classifier.safetensors"
    assert (tmp_path / "last" / name).read_bytes() != (exported / name).read_bytes()


def test_classes_are_those_of_predict_and_images_those_of_sample(command, exported, finished, tmp_path):
    (tmp_path / "images").mkdir()
    for k in range(7):
        Image.fromarray(DIGITS.test_x[k, 0].numpy()).save(tmp_path / f"images/{k}.png")
    command("predict", finished, tmp_path / "images", "--out", tmp_path / "a.csv")
    classifier, generator, _ = load_export(exported)
    with (tmp_path / "a.csv").open() as file:
        assert [row["class"] for row in csv.DictReader(file)] == classifier.names(DIGITS.test_x[:7])
    paths = [tmp_path / f"images/{k}.png" for k in range(7)]
    assert torch.equal(classifier.read(str(paths[2]), paths[0]), DIGITS.test_x[[2, 0]])
    assert classifier.names(paths) == classifier.names(DIGITS.test_x[:7])
    command("sample", finished, "--kind", "npz", "--n", 9, "--seed", 3, "--out", tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        drawn = torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2)
        assert np.array_equal(arrays["z"], generator.z(9, seed=3))
    torch.testing.assert_close(generator(generator.z(9, seed=3)), drawn, atol=1, rtol=0)
    torch.testing.assert_close(generator(generator.z(9, seed=3)[4:5]), drawn[4:5], atol=1, rtol=0)


def test_the_generators_statistics_are_those_of_the_bank_whatever_the_checkpoint_holds(command, run, exported):
    state = torch.load(run / "checkpoints/last.pt", weights_only=True)
    for name, tensor in state["method"].items():
        if re.fullmatch(r"generator\..*\.(mean|var)", name):
            tensor.fill_(torch.nan)
    torch.save(state, run / "checkpoints/last.pt")
    assert command("export", run).status == 0
    z = load_export(exported)[1].z(4)
    assert torch.equal(load_export(run / "export")[1](z), load_export(exported)[1](z))


def test_the_lines_of_the_docs_do_what_they_say(exported, tmp_path, monkeypatch):
    lines = re.search(r"```python\n(from gan_sntg\.export .*?)```", PAGE, re.S)[1]
    shutil.copytree(exported, tmp_path / re.search(r'load_export\("(.+?)"\)', lines)[1])
    monkeypatch.chdir(tmp_path)
    for k, name in enumerate(("a.png", "b.jpg")):
        Image.fromarray(DIGITS.test_x[k, 0].numpy()).save(tmp_path / name)
    names = {}
    exec(lines, names)
    assert len([line for line in lines.splitlines() if line]) == 4 and torch.equal(names["images"][0], DIGITS.test_x[0])
    assert len(names["names"]) == 2 and set(names["names"]) <= {str(k) for k in range(10)}
    assert names["drawn"].dtype == torch.uint8 and names["drawn"].shape[1:] == (1, 8, 8)


def test_the_card_says_what_it_is_and_where_it_is_from(exported, finished):
    card, result = json.loads((exported / "card.json").read_text()), json.loads((finished / "result.json").read_text())
    assert card["input"] == {"dtype": "uint8", "shape": [1, 8, 8], "range": [0, 255], "meaning": "images, [channels, height, width]"} | {
        "pictures": {"background": 255, "white": None, "reading": 2, "non_square": "crop"},
        "pixels": None,
    }
    assert card["classes"] == [str(k) for k in range(10)]
    names = "gan_sntg.networks.DenseDiscriminator", "gan_sntg.networks.DenseGenerator", "gan_sntg.data.UnitRange"
    assert tuple(part["class_path"] for part in card["architecture"].values()) == names
    assert card["evaluation"]["test_error"] == result["test_error_averaged"] and card["evaluation"]["test_examples"] == 397
    assert card["generator"]["latent"] == 8 and "uniform" in card["generator"]["z"] and card["generator"]["fidelity"] == []
    origin = card["provenance"]
    expected = {"finished": True, "epoch": 3, "epochs": 3, "step": 12, "seed": 0, "data_seed": 0, "labels": 20, "data": "digits"}
    assert {k: origin[k] for k in expected} == expected
    assert origin["split_sha256"] == result["split_sha256"] and origin["config"] == result["config"]
    assert card["packages"]["torch"] == torch.__version__.partition("+")[0] and card["packages"]["safetensors"]


def test_fidelity_is_on_the_card_with_how_it_was_measured_if_it_is_of_these_weights(command, run):
    for step in 4, 12:
        now = Measurement({"samples": step}, {"epoch": 1, "step": step, "sha256": "b"}, {"fid_a": Score(2.0, 1.0, 3.0)})
        record(run, now)
    assert command("export", run).out == f"{run / 'export'}\n"
    assert load_export(run / "export")[2].generator["fidelity"] == [asdict(now)]


def test_an_unfinished_run_is_exported_and_says_so(command, run):
    (run / "result.json").unlink()
    (run / "metrics.jsonl").unlink()
    assert command("export", run).status == 0
    card = load_export(run / "export")[2]
    assert card.provenance["finished"] is False and card.evaluation["test_error"] is None


@pytest.mark.parametrize(
    ("kind", "files"), [("images", FILES | {"normalization.safetensors"}), ("points", FILES)], ids=["images", "points"]
)
def test_a_method_without_a_generator_exports_its_classifier_with_its_whitening(command, tiny_tree, labels_alone, tmp_path, kind, files):
    whitened = {"method": labels_alone(), "normalization": {"class_path": "gan_sntg.data.ZCA"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump((POINTS if kind == "points" else tiny_tree() | whitened) | {"epochs": 1}))
    run = tmp_path / "run"
    assert command("train", "--config", tmp_path / "config.yaml", "--out", run).status == command("export", run).status == 0
    assert {path.name for path in (run / "export").iterdir()} == files
    assert_same_as_run(run, run / "export")
    assert load_export(run / "export")[1] is None and load_export(run / "export")[2].generator is None


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(("fails", "error"), [("program_of", KeyboardInterrupt), ("verify", OSError), ("verify", RuntimeError)])
def test_an_interrupted_export_leaves_nothing(command, contents, finished, tmp_path, monkeypatch, there, fails, error):
    def fail(*_):
        raise error("stop")

    monkeypatch.setattr(write, fails, fail)
    if there:
        (tmp_path / "a").mkdir()
    before = contents(tmp_path)
    try:
        assert command("export", finished, "--out", tmp_path / "a").status in (2, 130)
    except (KeyboardInterrupt, RuntimeError):
        pass
    assert contents(tmp_path) == before


def test_an_export_that_is_not_its_run_is_not_written(command, contents, finished, tmp_path, monkeypatch):
    right = write.safetensors_of
    monkeypatch.setattr(write, "safetensors_of", lambda state: right({name: 1.01 * tensor for name, tensor in state.items()}))
    outcome = command("export", finished, "--out", tmp_path / "a")
    assert outcome.status == 1 and "classifier.safetensors" in outcome.err and contents(tmp_path) == {}


KINDS = [
    (DenseDiscriminator, (1, 4, 4), {"widths": (6, 5)}, ContrastZCA),
    (ConvDiscriminator, (3, 28, 28), {"widths": (4, 6)}, Symmetric),
    (ConvNet13, (1, 12, 12), {"widths": (4, 5, 6)}, PerImage),
    (SmallConvNet, (1, 16, 16), {}, UnitRange),
    *[(ResidualDiscriminator, (2, 32, 32), {"width": 8, "convolution": c}, Symmetric) for c in Convolution],
    (PatchConvNet, (9, 5, 5), {"widths": (4, 6)}, UnitRange),
    (VATConvNet, (3, 12, 12), {"widths": (4, 5, 6), "top_bn": True}, UnregularizedZCA),
    (PlaneMLP, (2,), {}, AsIs),
]


@pytest.mark.parametrize(("kind", "shape", "options", "normalization"), KINDS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_program_is_the_classifier(kind, shape, options, normalization):
    generator = torch.Generator().manual_seed(0)
    points = len(shape) == 1
    x = torch.randn(500, *shape, generator=generator)
    x = x if points else (40 * x + 128).clamp(0, 255).to(torch.uint8)
    normalize = normalization()
    normalize.fit(x)
    torch.manual_seed(0)
    net = kind(shape, 3, **options)
    net.train()(normalize(x[:20]))
    classifier = Classifier(net, normalize, shape, x.dtype, ["a", "b", "c"])
    program = torch.export.load(io.BytesIO(write.program_of(classifier))).module()
    for n in 1, 7:
        torch.testing.assert_close(program(x[:n]), classifier(x[:n]), atol=1e-5, rtol=1e-5)
        assert program(x[:n]).shape == (n, 3)


def test_a_pretrained_network_is_folded_before_its_program_is_traced(monkeypatch, tmp_path):
    monkeypatch.setattr(backbones, "lite0", lambda: backbones.network("shufflenet_v2_x0_5"))
    torch.save(backbones.network("shufflenet_v2_x0_5").body.state_dict(), tmp_path / "own.pth")
    backbone, x = Backbone("efficientnet_lite0", str(tmp_path / "own.pth"), size=32), torch.arange(3 * 432).view(3, 3, 12, 12).byte()
    backbone.fit(x)
    backbone.folded = None  # as of a run that was just read
    classifier = Classifier(DenseDiscriminator((backbone.dim,), 3, widths=(4,)), backbone, (3, 12, 12), torch.uint8, ["a", "b", "c"])
    program = torch.export.load(io.BytesIO(write.program_of(classifier)))
    torch.testing.assert_close(program.module()(x), classifier(x), rtol=1e-4, atol=1e-4)
