"""The graph command end to end on the digits: the files that it writes are the graphs that training reads."""

import json

import numpy as np
import pytest
import torch

from gan_sntg.data.loader import UNLABELED
from gan_sntg.data.public import Digits
from gan_sntg.graph.adjacency import FixedGraph, NeighborGraph
from gan_sntg.runs.build import load

DIGITS = Digits()
N = DIGITS.num_examples


def percent(text: str) -> float:
    return float(text.split(" %")[0].split()[-1])


@pytest.mark.parametrize("k", [None, 3])
def test_neighbours_are_written_and_their_share_of_the_same_label_is_printed(command, tiny, tmp_path, k):
    out = tmp_path / "knn"
    status, printed, err = command("graph", "neighbors", "--config", tiny, "--out", out, *(["--k", k] if k else []))
    assert status == 0 and printed.startswith(f"{out}\n{k or 10} neighbours of each of 1,400 images; ") and printed.count("\n") == 2
    assert "100%" in err
    graph = NeighborGraph(str(out))
    graph.check(DIGITS.sha256, N, 10)
    table = graph.table
    assert table.shape == (N, k or 10)
    rows = DIGITS.train_x.flatten(1).double()
    for i in range(0, N, 200):
        distances = (rows - rows[i]).square().sum(1)
        distances[i] = torch.inf
        torch.testing.assert_close(distances[table[i].long()], distances.sort().values[: k or 10])
    same = [int(DIGITS.train_y[i]) == int(DIGITS.train_y[j]) for i in range(N) for j in table[i].tolist()]
    assert percent(printed) == round(100 * sum(same) / len(same), 2) > 90


@pytest.mark.parametrize("words", ["graph neighbors --k 1", "splits make"])
def test_no_network_is_built_for_neighbours_or_a_split(command, tiny, tmp_path, monkeypatch, words):
    monkeypatch.setattr("gan_sntg.networks.gan.WeightNormLinear.__init__", lambda *a, **k: pytest.fail("a network was built"))
    assert command(*words.split(), "--config", tiny, "--out", tmp_path / "made").status == 0


def test_a_neighbour_of_unknown_label_does_not_count(command, tiny, tmp_path, monkeypatch):
    def printed() -> str:
        outcome = command("graph", "neighbors", "--config", tiny, "--k", 1, "--out", tmp_path / "knn.npz")
        assert outcome.status == 0
        return outcome.out

    init = Digits.__init__

    def hiding(self):
        init(self)
        self.train_y[hidden] = UNLABELED

    monkeypatch.setattr(Digits, "__init__", hiding)
    hidden = torch.arange(N) % 2 == 1
    shared = printed()
    table = NeighborGraph(str(tmp_path / "knn.npz")).table.squeeze(1).tolist()
    judged = [(i, j) for i, j in enumerate(table) if i % 2 == j % 2 == 0]
    assert 0 < len(judged) < N / 2
    right = sum(int(DIGITS.train_y[i] == DIGITS.train_y[j]) for i, j in judged)
    assert percent(shared) == round(100 * right / len(judged), 2)
    hidden = torch.arange(N) >= 0
    assert "an unknown share of them have the image's own label" in printed()


@pytest.mark.parametrize("classifier", [None, "last", "averaged"])
def test_predictions_are_those_of_the_classifier_on_images_as_they_are_and_say_where_they_are_from(command, finished, tmp_path, classifier):
    out = tmp_path / "pred.npz"
    words = ["graph", "predictions", finished, "--out", out, *(["--classifier", classifier] if classifier else [])]
    status, printed, err = command(*words)
    assert status == 0 and printed.startswith(f"{out}\nclasses of 1,400 images; ") and "100%" in err
    parts, _ = load(str(finished), "cpu")
    x = parts.normalization(DIGITS.train_x)
    with torch.no_grad():
        found = {name: net.eval()(x)[1].argmax(1) for name, net in parts.method.classifiers.items()}
    classes = found[classifier or "averaged"]
    assert not torch.equal(found["last"], found["averaged"])
    graph = FixedGraph(str(out))
    graph.check(DIGITS.sha256, N, 10)
    assert torch.equal(graph.table, classes)
    assert percent(printed) == round(100 * float((classes == DIGITS.train_y).double().mean()), 2)
    result = json.loads((finished / "result.json").read_text())
    held = {name: str(array) for name, array in np.load(out).items() if array.dtype.kind == "U"}  # where it is from
    origin = {"method": "FeatureMatchingGAN", "test_error": f"{result['test_error_' + (classifier or 'averaged')]:.2f}"}
    assert held == origin | {"kind": "predictions", "sha256": DIGITS.sha256, "split_sha256": result["split_sha256"]}


def test_an_unfinished_run_is_refused(refused, run):
    (run / "result.json").unlink()
    refused(["graph", "predictions", "run", "--out", "pred.npz"], "run is not finished", "gan-sntg train")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"test_error_averaged": "low", "split_sha256": ""}', '{"test_error_averaged": 3.0}'])
def test_a_run_with_a_damaged_result_is_refused(refused, run, text):
    (run / "result.json").write_text(text)
    refused(["graph", "predictions", "run", "--out", "pred.npz"], "result.json", "delete it and run the same")


def test_a_file_that_cannot_be_written_is_named(command, tiny, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gan_sntg.graph.adjacency.write_atomically", full)
    outcome = command("graph", "neighbors", "--config", tiny, "--out", tmp_path / "a.npz")
    assert outcome.status == 2 and "a.npz cannot be written" in outcome.err and not (tmp_path / "a.npz").exists()
