"""LPDGL: cases solved by hand, the graph against a loop, the solution against the closed form, and choice by validation images."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from helpers.tiny import Squares
from scipy.sparse import csr_array

from gan_sntg.data.splits import make_split
from gan_sntg.errors import UnhealthyError

LPDGL = runpy.run_path(str(Path(__file__).parents[2] / "scripts/studies/lpdgl.py"))["main"].__globals__
PATH = csr_array(np.array([[0, 1, 0], [1, 0, 0.5], [0, 0.5, 0]]))


def near(found, expected) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("gamma", "expected"), [(1, [6 / 11, 4 / 11]), (0, [1, 1])])
def test_two_nodes_of_which_the_first_is_labelled_solved_by_hand(gamma, expected):
    near(LPDGL["predictions"](csr_array(np.array([[0, 1.0], [1, 0]])), np.array([0, -1]), 1, 1, gamma).ravel(), expected)


def test_both_parts_of_the_energy_of_a_path_solved_by_hand():
    f = np.array([[1, 0], [0.5, 0.5], [0, 1]])
    smooth, local = (float(np.trace(f.T @ (LPDGL["deformed"](PATH, *of) @ f))) for of in ((1, 0), (0, 1)))
    near([smooth, local], [0.75, 1.75])


def test_the_graph_is_that_of_a_loop():
    g = np.random.default_rng(0)
    x, k = g.random((9, 3)), 2
    all_d = np.linalg.norm(x[:, None] - x, axis=2)
    table = (all_d + 9 * np.eye(9)).argsort(1)[:, :k]
    d = np.take_along_axis(all_d, table, 1)
    naive, sigma = np.zeros((9, 9)), d.mean()
    for i in range(9):
        for j in range(9):
            if j in table[i] or i in table[j]:
                naive[i, j] = np.exp(-(all_d[i, j] ** 2) / (2 * sigma**2))
    found = LPDGL["graph"](table, d)
    near(found.toarray(), naive)


@pytest.mark.parametrize(("beta", "gamma"), [(1, 1), (0.1, 0.01), (3, 0)])
@pytest.mark.parametrize("n", [2, 12])
def test_the_solution_is_the_closed_form(n, beta, gamma):
    g = np.random.default_rng(n)
    w = np.triu(g.random((n, n)) * (g.random((n, n)) < 0.6), 1)
    w += w.T + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    y = np.where(np.arange(n) < 3, np.arange(n) % 2, -1)
    d, v, target = w.sum(1), w.sum(), np.eye(2)[y] * (y >= 0)[:, None]
    closed = np.linalg.inv(np.diag(y >= 0) + beta * (np.diag(d) - w) + gamma * (np.eye(n) - np.diag(d) / v)) @ target
    near(LPDGL["predictions"](csr_array(w), y, 2, beta, gamma), closed)


def test_images_that_no_label_reaches_are_of_no_class_and_no_convergence_is_said(monkeypatch):
    apart = csr_array(np.kron(np.eye(2), [[0, 1.0], [1, 0]]))
    near(LPDGL["predictions"](apart, np.array([1, -1, -1, -1]), 2, 1, 0), [[0, 1], [0, 1], [0, 0], [0, 0]])
    monkeypatch.setitem(LPDGL, "cg", lambda *of, **options: (None, 9))
    with pytest.raises(UnhealthyError, match="did not converge in 9 steps at beta 1, gamma 0.3"):
        LPDGL["predictions"](PATH, np.array([0, -1, -1]), 2, 1, 0.3)


class Asked(Squares):
    """The squares, whose test labels the tests change."""

    test_labels = None

    def __init__(self):
        super().__init__()
        if Asked.test_labels is not None:
            self.test_y = self.test_y * 0 + Asked.test_labels


@pytest.fixture
def small(monkeypatch, tmp_path):
    options = LPDGL["Options"]
    monkeypatch.setitem(LPDGL, "GRID", [options(0.1, 0.1, 3), options(0.1, 0.1, 6), options(1e-3, 1.0, 1)])
    monkeypatch.setitem(LPDGL, "CELLS", {"squares_6": (Asked, 6, 2)})
    monkeypatch.setitem(LPDGL, "Digits", Asked)
    monkeypatch.setattr(Asked, "test_labels", None)
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()

    def run() -> dict:
        LPDGL["neighbors"].cache_clear()
        LPDGL["main"](mnist=False)
        return json.loads(Path("results/lpdgl.json").read_text())["cells"]["squares_6"]

    return run


def test_options_are_the_best_on_validation_images_and_test_labels_change_the_test_errors_alone(small):
    found = small()
    errors = [sum(trial["errors"]) for trial in found["trials"]]
    assert len(set(errors)) > 1 and found["chosen"].items() <= found["trials"][int(np.argmin(errors))].items()
    assert [found["errors"][name]["n"] for name in ("validation", "unlabeled", "test")] == [3, 2, 2]
    line = Path("results/lpdgl.md").read_text().splitlines()[2]
    assert line.startswith("| squares_6 | 0.1 | 0.1 |") and f"{found['errors']['test']['mean']:.2f} ± " in line
    Asked.test_labels = 7
    other = small()
    assert other["errors"]["test"]["values"] == [100, 100]
    for of in found, other:
        del of["errors"]["test"]
    assert found == other


def test_known_labels_are_those_of_the_split_and_test_images_have_none(small, monkeypatch):
    seen = []
    own = LPDGL["predictions"]
    monkeypatch.setitem(LPDGL, "predictions", lambda w, y, *of: seen.append(y) or own(w, y, *of))
    small()
    source = Squares()
    splits = [make_split(source, 6, seed, True) for _ in range(3) for seed in (100, 101, 102)] + [
        make_split(source, 6, s, False) for s in (0, 1)
    ]
    assert len(seen) == len(splits)
    for y, split in zip(seen, splits, strict=True):
        assert np.array_equal(y, [*split.known(source), *[-1] * 30])
