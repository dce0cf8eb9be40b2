"""Reconstructions of the sample command: real images beside G(E(x)), for every method with an encoder, refused for others."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.alis import ali_tree, dense
from PIL import Image

from gan_sntg.data.public import Digits
from gan_sntg.evaluation.samples import LINE, draw, reconstruction_sheet
from gan_sntg.runs.build import load

DIGITS = Digits()


def bad_tree(tree: dict) -> dict:
    """FM-GAN's configuration as one of Bad GAN with an encoder."""
    tree["method"]["class_path"] = "gan_sntg.methods.BadGAN"
    tree["method"]["init_args"] |= {"encoder": dense("DenseEncoder", latent=8, widths=[12]), "variational_weight": 0.1}
    return tree


@pytest.fixture(scope="module", params=[ali_tree, bad_tree], ids=["ali", "bad_gan"])
def trained(request, command, tiny_tree, tmp_path_factory) -> Path:
    """The folder of a run with an encoder and validation images."""
    folder = tmp_path_factory.mktemp("inferring")
    (folder / "config.yaml").write_text(yaml.safe_dump(request.param(tiny_tree()) | {"epochs": 1, "validation": True}))
    assert command("train", "--config", folder / "config.yaml", "--out", folder / "run").status == 0
    return folder / "run"


def pairs(path: Path) -> torch.Tensor:
    """Real images and reconstructions of a sheet, int16 [n, 2, 8, 8]."""
    picture = np.asarray(Image.open(path).convert("L")).astype(np.int16)
    return torch.from_numpy(picture[2:, 2:]).unfold(0, 8, 10).unfold(1, 8, 10).unflatten(1, (-1, 2)).flatten(0, 1)


def test_real_images_stand_beside_what_g_makes_of_their_z(command, trained, tmp_path):
    parts, _ = load(str(trained), "cpu")
    parts.method.eval()
    held_out, pool = DIGITS.train_x[DIGITS.validation], parts.streams.pool
    for images, real in {"test": DIGITS.test_x, "validation": held_out, "training": pool.x[pool.unlabeled]}.items():
        words = [] if images == "test" else ["--images", images]
        assert command("sample", trained, "--kind", "reconstructions", "--n", 18, *words, "--out", tmp_path / "a.png").status == 0
        found = pairs(tmp_path / "a.png")
        assert torch.equal(found[:, 0], real[:18, 0].short())
        with torch.no_grad():
            z = parts.method.infer(parts.normalization(real[:500]))[:18]
        expected = draw(parts.method.generator, z, parts.normalization)[:, 0].short()
        torch.testing.assert_close(found[:, 1], expected, atol=1, rtol=0)
        assert z.min() >= 0 and z.max() <= 1 and found[:, 1].float().std(0).max() > 0


def test_the_first_pairs_are_the_same_of_any_number_and_a_seed_gives_other_images(command, trained):
    first, more, drawn = (
        pairs(Path(command("sample", trained, "--kind", "reconstructions", *words).out.strip()))
        for words in ([], ["--n", 50], ["--n", 50, "--seed", 3])
    )
    assert len(first) == 32 and torch.equal(first, more[:32])
    assert not torch.equal(drawn, more)
    assert {path.name for path in (trained / "samples").glob("rec*")} == {f"reconstructions_{n}.png" for n in ("32", "50", "50_seed3")}


def test_pairs_are_kept_apart_by_thin_lines():
    real, made = torch.full((5, 1, 4, 4), 10, dtype=torch.uint8), torch.full((5, 1, 4, 4), 200, dtype=torch.uint8)
    sheet = reconstruction_sheet(real, made, 2)
    assert sheet.shape == (3, 2 + 3 * 10, 2 + 4 * 10)
    lines = (sheet == torch.tensor(LINE, dtype=torch.uint8).view(3, 1, 1)).all(0).all(0).nonzero().flatten()
    assert lines.tolist() == [20, 21]
    assert sheet[0, 4, [4, 14, 24, 34]].tolist() == [10, 200, 10, 200]


def test_a_method_without_an_encoder_and_impossible_words_are_refused(command, finished, trained):
    outcome = command("sample", finished, "--kind", "reconstructions")
    assert outcome.status == 2 and not (finished / "samples/reconstructions_32.png").exists()
    assert (
        "needs an encoder, which maps images to z, but this run's FeatureMatchingGAN has none; give a run of a method with" in outcome.err
    )
    for words, said in {
        ("--n", 500): "--n is 500, but there are 397 test images; give at most as many",
        ("--k", 3): "--k 3 changes nothing in --kind reconstructions",
    }.items():
        assert said in command("sample", trained, "--kind", "reconstructions", *words).err
    assert "--images test changes nothing in --kind grid" in command("sample", trained, "--images", "test").err


def test_validation_images_that_were_not_held_out_are_refused(command, tiny_tree, tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(ali_tree(tiny_tree()) | {"epochs": 1}))
    command("train", "--config", tmp_path / "config.yaml", "--out", tmp_path / "run")
    outcome = command("sample", tmp_path / "run", "--kind", "reconstructions", "--images", "validation")
    assert outcome.status == 2 and "trained without validation images; give test or training" in outcome.err
