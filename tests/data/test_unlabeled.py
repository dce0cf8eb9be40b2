"""Images of which nobody knows the label: trained on, never counted as right or wrong, and never given away."""

import json

import numpy as np
import pytest
import torch
import yaml
from helpers.data_files import picture

from gan_sntg.data.loader import UNLABELED, Loader, Pool
from gan_sntg.data.normalization import UnitRange
from gan_sntg.graph.sntg import SNTG

X = torch.zeros(6, 1, 2, 2, dtype=torch.uint8)
TRUTH = torch.tensor([0, 1, 1, UNLABELED, UNLABELED, 0])


def test_the_pool_shows_the_known_labels_and_on_request_those_hidden_from_training_alone():
    known = torch.tensor([1, UNLABELED, 1, UNLABELED, UNLABELED, UNLABELED])  # the first is noisy
    pool = Pool(X, TRUTH, known, torch.arange(6), UnitRange(), "cpu")
    assert pool.labeled.tolist() == [0, 2]
    assert pool.view(torch.arange(6)).y.tolist() == known.tolist()
    hidden = [UNLABELED, 1, UNLABELED, UNLABELED, UNLABELED, 0]
    assert pool.view(torch.arange(6), revealed=True).y.tolist() == hidden
    batch = Loader(pool, 4, seed=0).example(6, "telemetry", revealed=True)
    assert batch.labeled.y.tolist() == [UNLABELED] * 2 and sorted(batch.unlabeled.y.tolist()) == sorted(hidden)


def telemetry(targets: torch.Tensor, truth: torch.Tensor) -> dict[str, float]:
    h = torch.arange(2.0 * len(truth)).view(-1, 2)
    values = SNTG(margin=3.0).telemetry(h, targets, truth)
    return {name: float(value) for name, value in values.items()}


def test_telemetry_judges_the_graph_and_the_teacher_on_images_with_a_label_only():
    classes = torch.tensor([0, 1, 0, 1, 0, 0])
    found = telemetry(torch.eye(2)[classes], TRUTH)
    judged = TRUTH != UNLABELED
    expected = telemetry(torch.eye(2)[classes[judged]], TRUTH[judged])
    for name in "graph/precision", "graph/recall", "graph/teacher_accuracy":
        assert found[name] == expected[name]
    assert found["graph/teacher_accuracy"] == 0.75  # images 0, 1 and 5 of 0, 1, 2 and 5


def test_telemetry_without_any_label_is_nan_where_there_is_nothing_to_count():
    found = telemetry(torch.eye(2)[[0, 1, 0]], torch.full((3,), UNLABELED))
    for name in "graph/precision", "graph/recall", "graph/teacher_accuracy":
        assert np.isnan(found[name])
    assert found["graph/teacher_confidence"] == 1


@pytest.fixture(scope="module")
def trained(tmp_path_factory, command, tiny_tree):
    """A run on a folder of two brightnesses: 10 + 15 labelled, 75 not, 8 for testing; the folder, the run, what was printed."""
    root, g = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for k, (name, level) in enumerate({"dark": 60, "light": 180}.items()):
        for part, n in (f"labeled/{name}", 10 + 5 * k), (f"test/{name}", 4):
            for i in range(n):
                picture(root / part / f"{i:02}.png", (level + g.integers(-40, 40, (30, 36))).astype(np.uint8))
    for i in range(75):
        picture(root / "unlabeled" / f"{i:02}.png", ((60, 180)[i % 2] + g.integers(-40, 40, (30, 36))).astype(np.uint8))
    (root / "unlabeled/broken.png").write_text("no")
    tree = tiny_tree() | {"labels": None, "validation": True}
    options = {"root": str(root), "image_size": 28, "color": False, "skip_unreadable": True}
    tree["data"] = {"class_path": "gan_sntg.data.ImageFolder", "init_args": options}
    (root / ".config.yaml").write_text(yaml.safe_dump(tree))
    run = tmp_path_factory.mktemp("runs") / "folder"
    return root, run, command("train", "--config", root / ".config.yaml", "--out", run)


def test_a_folder_with_unequal_classes_and_a_broken_file_trains(trained):
    root, run, outcome = trained
    assert outcome.status == 0 and f"{root / 'unlabeled/broken.png'}: not an image" in outcome.err
    result = json.loads((run / "result.json").read_text())
    assert 0 <= result["test_error_averaged"] <= 100 and 0 <= result["validation_error"] <= 100
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert rows and all(row["graph/teacher_accuracy"] is None for row in rows)  # of labels that it is trained on there is no score
    manifest = json.loads((run / "split.json").read_text())  # labels all of labeled/ but the validation images
    assert sorted(manifest["labeled"] + manifest["validation"]) == list(range(25)) and len(manifest["validation"]) == 5


def test_it_can_be_evaluated_after_it_has_moved(trained, command, tmp_path):
    root, run, _ = trained
    moved = tmp_path / "moved"
    moved.symlink_to(root)
    outcome = command("evaluate", run, "--root", moved, "--device", "cpu")
    assert outcome.status == 0
    assert json.loads(outcome.out)["test_error_averaged"] == json.loads((run / "result.json").read_text())["test_error_averaged"]


def test_a_run_is_not_resumed_on_another_folder_of_the_same_options(trained, command, contents, tmp_path):
    root, run, _ = trained
    (run / "result.json").rename(tmp_path / "result.json")
    try:
        picture(root / "unlabeled/zz.png", np.zeros((30, 30), np.uint8))
        before = contents(run)
        outcome = command("train", "--config", root / ".config.yaml", "--out", run)
        assert outcome.status == 2 and "use the data that the manifest was made from" in outcome.err and contents(run) == before
    finally:
        (root / "unlabeled/zz.png").unlink()
        (tmp_path / "result.json").rename(run / "result.json")
