"""The model card and the ONNX model of an export: what the card says, in which form, and that the model is the classifier."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch
import yaml
from scipy.stats import binomtest

from gan_sntg.data.normalization import ContrastZCA, UnitRange
from gan_sntg.evaluation.classification import error_interval
from gan_sntg.export import Classifier, load_export, write
from gan_sntg.export.load import read_card
from gan_sntg.export.model_card import model_card
from gan_sntg.files.import_paths import installed
from gan_sntg.networks import DenseDiscriminator, SmallConvNet


@pytest.fixture
def card(exported):
    return read_card(exported)


def head(text: str) -> dict:
    """The front matter."""
    return yaml.safe_load(re.match(r"---\n(.*?)^---$", text, re.S | re.M)[1])


def test_the_card_says_the_error_its_interval_and_where_it_is_from(exported, card):
    text, error = (exported / "README.md").read_text(), card.evaluation["test_error"]
    wrong = round(error * 397 / 100)
    found = re.search(r"\| test \| 397 \| ([\d.]+) \| ([\d.]+) to ([\d.]+) \|", text)
    low, high = binomtest(wrong, 397).proportion_ci(method="wilson")
    assert [float(x) for x in found.groups()] == pytest.approx([100 * wrong / 397, 100 * low, 100 * high], abs=0.006)
    blocks = [json.loads(block) for block in re.findall(r"(?:^    .*\n)+", text.split("---\n", 2)[2], re.M)]
    origin = next(block for block in blocks if "split_sha256" in block)
    assert {name: origin[name] for name in ("data", "split_sha256", "git")} == {
        name: card.provenance[name] for name in ("data", "split_sha256", "git")
    }
    assert card.classes in blocks and card.provenance["config"] in blocks
    assert "trained with 20 labels" in text and "names no licence" in text and "unfinished" not in text


def test_its_front_matter_is_what_the_hub_reads(card):
    found = head(model_card(card))
    assert found["library_name"] == "gan-sntg" and found["pipeline_tag"] == "image-classification" and "license" not in found
    (result,) = found["model-index"][0]["results"]
    assert result["dataset"]["name"] == "digits" and result["metrics"][0]["type"] == "accuracy"
    assert result["metrics"][0]["value"] == pytest.approx(1 - card.evaluation["test_error"] / 100, abs=1e-6)


def test_the_lines_of_python_in_it_load_it(card, exported, monkeypatch):
    monkeypatch.chdir(exported)
    lines = re.search(r"```python\n(from gan_sntg.*?)```", model_card(card), re.S)[1]
    names = {"x": torch.zeros(2, 1, 8, 8, dtype=torch.uint8)}
    exec(lines, names)
    assert names["logits"].shape == (2, 10)


def test_an_unfinished_run_without_errors_says_so(card):
    bare = dataclasses.replace(
        card, evaluation=card.evaluation | {"test_error": None}, provenance=card.provenance | {"finished": False, "epoch": 2}
    )
    text = model_card(bare)
    assert "epoch 2 of 3" in text and "None was recorded" in text and "model-index" not in head(text)


def test_names_that_come_from_data_are_never_markup(card):
    evil = "a\n---\n# <script>x</script> [b](http://c) | `d`\n```\n"
    text = model_card(dataclasses.replace(card, classes=[evil, "b"], provenance=card.provenance | {"data": evil}))
    prose = re.sub(r"^    .*$", "", text, flags=re.M)
    assert head(text)["model-index"] and not re.search(r"<script|\]\(|^# .*[|<`]", prose, re.M) and prose.count("```") == 2


@pytest.mark.parametrize(("wrong", "n"), [(0, 10), (1, 397), (199, 397), (10, 10)])
def test_the_interval_of_an_error_is_wilsons(wrong, n):
    low, high = binomtest(wrong, n).proportion_ci(method="wilson")
    assert error_interval(100 * wrong / n, n) == pytest.approx((100 * low, 100 * high), abs=1e-9)


def test_without_its_packages_onnx_is_refused_before_anything_is_read(refused, run, monkeypatch):
    monkeypatch.setattr(write, "installed", lambda name: None if name == "onnxruntime" else "1")
    refused(["export", run, "--onnx"], "--onnx needs onnxruntime", "pip install 'gan-sntg[onnx]'")


@pytest.fixture
def onnx():
    if missing := [name for name in ("onnx", "onnxscript", "onnxruntime") if not installed(name)]:
        pytest.skip(f"needs the extra onnx: {', '.join(missing)} is not installed")


def test_an_onnx_model_is_exported_and_hashed_and_gives_the_logits_of_the_run(onnx, command, finished, tmp_path):
    out = tmp_path / "export"
    assert command("export", finished, "--onnx", "--out", out).status == 0
    classifier, _, card = load_export(out)
    model, x = (out / "classifier.onnx").read_bytes(), torch.arange(7 * 64).view(7, 1, 8, 8).to(torch.uint8)
    torch.testing.assert_close(write.onnx_logits(model, x), classifier(x), atol=1e-5, rtol=1e-5)
    assert "classifier.onnx" in card.files and "onnx" in head((out / "README.md").read_text())["tags"]
    lines = re.search(r"```python\n(import onnxruntime.*?)```", (out / "README.md").read_text(), re.S)[1]
    names = {"x": x.numpy()}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(out)
        exec(lines, names)
    np.testing.assert_allclose(names["logits"], classifier(x).numpy(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "shape", "normalize"), [(DenseDiscriminator, (1, 4, 4), ContrastZCA), (SmallConvNet, (3, 16, 16), UnitRange)]
)
def test_the_onnx_model_is_the_classifier_for_any_batch(onnx, kind, shape, normalize):
    x = torch.randint(0, 256, (100, *shape), dtype=torch.uint8)
    normalization = normalize()
    normalization.fit(x)
    net = kind(shape, 3)
    net.train()(normalization(x[:20]))
    classifier = Classifier(net, normalization, shape, torch.uint8, ["a", "b", "c"])
    model = write.onnx_of(classifier)
    assert b"gan_sntg/" not in model and b".py" not in model  # no path of this machine
    for n in 1, 7:
        torch.testing.assert_close(write.onnx_logits(model, x[:n]), classifier(x[:n]), atol=1e-5, rtol=1e-5)
