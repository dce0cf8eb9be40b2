"""The study of Indian Pines: patches that no two blocks share, and configurations that build and step on a field in miniature."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gan_sntg.data.arrays import Arrays, hold_out_groups

STUDY = Path(__file__).parents[2] / "scripts" / "studies" / "indian_pines"
G = np.random.default_rng(0)
FIELD, CROPS = G.integers(900, 9000, (23, 31, 30)).astype(np.uint16), G.integers(0, 5, (23, 31)).astype(np.uint8)


@pytest.fixture
def study(monkeypatch, tmp_path):
    """The script, whose field is 23 x 31 pixels of 30 bands and 4 crops."""
    spec = importlib.util.spec_from_file_location("indian_pines", STUDY / "run.py")
    assert spec and spec.loader
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    (tmp_path / "datasets" / "data").mkdir(parents=True)
    np.save(tmp_path / "datasets" / "data" / "Indian_pines_corrected.npy", FIELD)
    np.save(tmp_path / "datasets" / "data" / "Indian_pines_gt.npy", CROPS)
    monkeypatch.setattr(module, "find_spec", lambda name: SimpleNamespace(origin=str(tmp_path / "__init__.py")))
    return module


def mirrored(place: int, start: int, length: int) -> int:
    """Where a place outside start .. start + length - 1 is seen, the border as a mirror."""
    k = (place - start) % (2 * length)
    return start + min(k, 2 * length - 1 - k)


def test_a_patch_is_the_pixels_around_its_own_mirrored_at_the_border_of_its_block(study):
    x, y, groups = study.patches()
    labeled = np.argwhere(CROPS > 0)
    assert len(x) == len(labeled) and y.tolist() == [int(CROPS[r, c]) - 1 for r, c in labeled]
    assert len({*groups.tolist()}) == 5 * 7 and x.shape[1:] == (30, 9, 9) and x.dtype == np.uint16
    for n in range(0, len(x), 17):
        r, c = map(int, labeled[n])
        top, left = r - r % 5, c - c % 5
        height, width = min(5, 23 - top), min(5, 31 - left)
        for dr, dc in (-4, -4), (-4, 4), (0, 0), (1, -2), (4, 3):
            seen = FIELD[mirrored(r + dr, top, height), mirrored(c + dc, left, width)]
            assert np.array_equal(x[n, :, 4 + dr, 4 + dc], seen)


@pytest.mark.parametrize("config", sorted(path.stem for path in STUDY.glob("*.yaml") if path.stem != "search"))
def test_each_configuration_steps_on_such_patches(study, command, tmp_path, config):
    np.savez(tmp_path / study.FILE, **hold_out_groups(*study.patches()))
    words = "--labels", 8, "--epochs", 1, "--steps_per_epoch", 2, "--batch_size", 8, "--interval_epochs", 1, "--liveness", "false"
    lengths = () if config == "fm_gan" else ("--labeled_batch_size", 8)
    outcome = command("train", "--config", STUDY / f"{config}.yaml", "--data.root", tmp_path, *words, *lengths, "--out", tmp_path / "run")
    assert outcome.status == 0, outcome.err
    source = Arrays(file=study.FILE, root=str(tmp_path), range="fit")
    assert source.train_groups is not None and source.test_groups is not None and not {*source.train_groups} & {*source.test_groups}
