"""The sample command: the same z is the same image in every kind and grid, and each kind shows what it says."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers import trees
from PIL import Image

from gan_sntg.data.public import Digits
from gan_sntg.evaluation.classification import outputs_of
from gan_sntg.evaluation.samples import draw, interpolate_z, z_bank
from gan_sntg.runs.build import load

N = 6


@pytest.fixture(scope="module")
def parts(finished):
    return load(str(finished), "cpu")[0]


@pytest.fixture(scope="module")
def bank(parts) -> torch.Tensor:
    """The first images of the bank, int16 so that they can be subtracted."""
    return draw(parts.method.generator, z_bank(8, 100), parts.normalization)[:, 0].short()


@pytest.fixture
def sample(command, finished, tmp_path):
    """Writes a kind and gives back its path and what was printed before it."""

    def run(kind: str, *words) -> tuple[Path, str]:
        status, out, _ = command("sample", finished, "--kind", kind, "--out", tmp_path / f"{kind}.out", *words)
        *printed, path = out.splitlines()
        assert status == 0 and path == str(tmp_path / f"{kind}.out")
        return Path(path), "\n".join(printed)

    return run


def cells(path: Path) -> torch.Tensor:
    """Rows of 8 x 8 images, int16 [rows, columns, 8, 8]."""
    picture = np.asarray(Image.open(path).convert("L")).astype(np.int16)
    return torch.from_numpy(picture[2:, 2:]).unfold(0, 8, 10).unfold(1, 8, 10)


def decisions(parts, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Classes and confidence of int16 [n, 8, 8] by the averaged D."""
    net = parts.method.classifiers["averaged"].eval()
    with torch.no_grad():
        confidence, classes = net(parts.normalization(images.to(torch.uint8).unsqueeze(1)))[1].softmax(1).max(1)
    return classes, confidence


def near(a: torch.Tensor, b: torch.Tensor) -> None:
    """The same images, but for the last bit: rounding differs with the size of a batch."""
    torch.testing.assert_close(a, b, atol=1, rtol=0)


def test_the_same_z_is_the_same_image_in_every_kind(sample, finished, bank):
    near(cells(sample("grid", "--n", 16)[0]).flatten(0, 1), bank[:16])
    near(cells(finished / "samples/epoch_0003.png").flatten(0, 1), bank)
    assert bank.float().std() > 1 and not torch.equal(bank[0], bank[1])
    folder, _ = sample("png", "--n", N)
    near(torch.stack([torch.from_numpy(np.array(Image.open(file))).short() for file in sorted(folder.iterdir())]), bank[:N])
    near(torch.from_numpy(np.load(sample("npz", "--n", N)[0])["images"][..., 0]).short(), bank[:N])
    near(cells(sample("interpolation", "--n", 3)[0])[:, [0, -1]].flatten(0, 1), bank[:6])
    near(cells(sample("neighbors", "--n", N)[0])[:, 0], bank[:N])
    shown = cells(sample("classes", "--n", N)[0]).flatten(0, 1)
    assert (shown.unsqueeze(1) - bank[:N]).abs().amax((2, 3)).amin(0).max() <= 1


def test_an_interpolation_is_drawn_from_straight_lines(sample, parts):
    found = cells(sample("interpolation", "--n", 2, "--steps", 5)[0])
    expected = draw(parts.method.generator, interpolate_z(z_bank(8, 4), 5), parts.normalization)[:, 0].short()
    assert torch.equal(found.flatten(0, 1), expected)


def test_every_row_of_the_classes_is_of_its_class_and_sorted(sample, parts):
    path, printed = sample("classes", "--n", 50)
    rows, total = cells(path), 0
    counts = dict(part.split(": ") for part in printed.split(", "))
    for k, row in enumerate(rows):
        filled = row[(row != 128).any(2).any(1)]
        classes, confidence = decisions(parts, filled)
        assert (classes == k).all() and torch.equal(confidence, confidence.sort(descending=True).values)
        assert len(filled) == int(counts[str(k)]) and torch.equal(row[: len(filled)], filled)
        total += len(filled)
    assert total == 50 and len(rows) == 10 and (rows == 128).all(3).all(2).any()


def test_an_npz_says_what_d_says_of_its_images_and_where_they_come_from(sample, parts):
    found = np.load(sample("npz", "--n", 20)[0])
    classes, confidence = decisions(parts, torch.from_numpy(found["images"][..., 0]).short())
    assert found["images"].shape == (20, 8, 8, 1) and np.array_equal(found["z"], z_bank(8, 20))
    assert np.array_equal(found["classes"], classes)
    torch.testing.assert_close(torch.from_numpy(found["confidence"]), confidence)


@pytest.mark.parametrize("space", ["pixels", "features"])
def test_neighbours_are_those_of_a_naive_loop_in_double_precision(sample, parts, space):
    rows = cells(sample("neighbors", "--n", 4, "--k", 3, "--space", space)[0])
    real = Digits().train_x
    both = [rows[:, 0].to(torch.uint8).unsqueeze(1), real]
    if space == "features":
        both = [outputs_of(parts.method.classifiers["averaged"], x, parts.normalization)[0] for x in both]
    samples, others = (x.flatten(1).double() for x in both)
    for row, own in zip(rows, samples, strict=True):
        distances = [float((own - other).square().sum()) for other in others]
        order = sorted(range(len(others)), key=distances.__getitem__)[:3]
        assert torch.equal(row[1:], real[order, 0].short())


def test_neighbours_are_looked_for_among_the_images_of_the_pool_alone(command, tiny, tmp_path):
    command("train", "--config", tiny, "--epochs", 1, "--validation", "true", "--out", tmp_path / "run")
    command("sample", tmp_path / "run", "--kind", "neighbors", "--k", 50, "--out", tmp_path / "a.png")
    digits = Digits()
    held_out = digits.train_x[digits.validation, 0].short()
    rows = cells(tmp_path / "a.png")[:, 1:].flatten(0, 1)
    assert not (rows.unsqueeze(1) == held_out).all(3).all(2).any()


@pytest.mark.parametrize("kind", ["grid", "png", "npz", "interpolation", "classes", "neighbors"])
def test_a_seed_gives_other_images_under_another_name(command, run, contents, kind):
    written = {}
    for seed in [], ["--seed", 0], ["--seed", 1]:
        out = Path(command("sample", run, "--kind", kind, "--n", 4, *seed).out.splitlines()[-1])
        written[out.stem.partition("_")[2]] = contents(out) if kind == "png" else out.read_bytes()
    assert list(written) == ["4", "4_seed0", "4_seed1"] and out.parent == run / "samples"
    assert written["4"] != written["4_seed0"] != written["4_seed1"] != written["4"]


def test_64_images_are_written_into_the_runs_samples_and_a_finished_run_is_otherwise_as_before(command, contents, tiny, run):
    before, said = contents(run), command("train", "--config", tiny, "--out", run).out
    outcome = command("sample", run)
    assert outcome.status == 0 and outcome.out.strip() == str(run / "samples/sample_64.png")
    assert cells(run / "samples/sample_64.png").shape == (8, 8, 8, 8)
    after = contents(run)
    assert after.pop(Path("samples/sample_64.png")) and after == before
    assert command("train", "--config", tiny, "--out", run).out == said  # its last grid, and not these


def test_scale_repeats_pixels(sample):
    small, big = (np.asarray(Image.open(sample("interpolation", "--n", 1, "--scale", scale)[0])) for scale in (1, 3))
    assert np.array_equal(big[2:26, 2:26], small[2:10, 2:10].repeat(3, 0).repeat(3, 1))


def test_a_generator_of_classes_draws_each_row_by_its_own_labels(command, tmp_path):
    (tmp_path / "triple.yaml").write_text(yaml.safe_dump(trees.triple_gan()))
    assert command("train", "--config", tmp_path / "triple.yaml", "--out", tmp_path / "run").status == 0
    status, out, _ = command("sample", tmp_path / "run", "--kind", "classes", "--n", 23, "--out", tmp_path / "a.png")
    assert status == 0 and out.splitlines()[0] == ", ".join(f"{k}: {3 if k < 3 else 2}" for k in range(10))
    parts, y = load(str(tmp_path / "run"), "cpu")[0], torch.arange(23) % 10
    generator, net = parts.method.generator, parts.method.classifiers["averaged"].eval()
    images = draw(generator, generator.of_classes(z_bank(9, 23), y), parts.normalization)
    with torch.no_grad():
        confidence = net(parts.normalization(images))[1].softmax(1)[range(23), y]
    for k, row in enumerate(cells(tmp_path / "a.png")):
        own = (y == k).nonzero().squeeze(1)
        near(row[: len(own)], images[own[confidence[own].argsort(descending=True)], 0].short())
        assert (row[len(own) :] == 128).all()
