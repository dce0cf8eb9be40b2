"""Scores are torch-fidelity's, of the images that `draw` draws, whatever the batch size; their intervals say what another draw would do."""

import numpy as np
import pytest
import torch
import torch_fidelity
from PIL import Image
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from gan_sntg.data.normalization import UnitRange
from gan_sntg.data.public import Digits
from gan_sntg.errors import InputError
from gan_sntg.evaluation import draw
from gan_sntg.evaluation import fidelity as evaluation_fidelity
from gan_sntg.evaluation.feature_extractors import ClassifierFeatures
from gan_sntg.evaluation.fidelity import (
    Extracted,
    Reference,
    fidelity_provenance,
    generator_features,
    image_features,
    kids,
    radii,
    scores,
    scores_with_intervals,
    share_within,
)
from gan_sntg.evaluation.fidelity_records import Score
from gan_sntg.networks.gan import DenseDiscriminator, DenseGenerator


@pytest.fixture
def extractor() -> ClassifierFeatures:
    torch.manual_seed(0)
    return ClassifierFeatures(DenseDiscriminator((1, 8, 8), 10, (16, 12)), UnitRange(), 1, "digits", 1.5)


@pytest.fixture
def generator() -> DenseGenerator:
    torch.manual_seed(1)
    return DenseGenerator((1, 8, 8), latent=6, widths=(12,))


def drawn_z(n: int) -> torch.Tensor:
    return torch.from_numpy(np.random.RandomState(evaluation_fidelity.SEED).rand(n, 6)).float()


def extracted(seed: int, n: int, shift: float = 0) -> Extracted:
    generator = torch.Generator().manual_seed(seed)
    return Extracted(torch.randn(n, 5, generator=generator) + shift, 2 * torch.randn(n, 4, generator=generator))


def scored(fake: Extracted, real: Extracted, subset: int = 50) -> dict[str, float]:
    (found,) = scores([fake], Reference(real), subset)
    return found


def test_scores_are_those_of_torch_fidelity_on_saved_pngs_of_the_same_samples(extractor, generator, tmp_path):
    images = {"fake": draw(generator, drawn_z(150), UnitRange()), "real": Digits().train_x[:200]}
    for kind, x in images.items():
        (tmp_path / kind).mkdir()
        for k, image in enumerate(x):
            Image.fromarray(image[0].numpy()).convert("RGB").save(tmp_path / kind / f"{k:03d}.png")

    class OfTheTest(ClassifierFeatures):
        def __new__(cls, *arguments, **named):
            return extractor

    torch_fidelity.register_feature_extractor("of-the-test", OfTheTest)
    theirs = torch_fidelity.calculate_metrics(
        input1=str(tmp_path / "fake"),
        input2=str(tmp_path / "real"),
        feature_extractor="of-the-test",
        **dict.fromkeys(("feature_layer_fid", "feature_layer_kid", "feature_layer_prc"), "features"),
        feature_layer_isc="logits",
        **dict.fromkeys(("isc", "fid", "kid", "prc", "save_cpu_ram"), True),
        **dict.fromkeys(("cuda", "cache", "verbose", "samples_find_deep"), False),
        kid_subset_size=75,
        rng_seed=evaluation_fidelity.SEED,
    )
    fake = generator_features(generator, UnitRange(), extractor, 150)
    ours = scored(fake, image_features(images["real"], extractor), 75)
    for name, key in {
        "inception_score": "inception_score_mean",
        "fid": "frechet_inception_distance",
        "kid": "kernel_inception_distance_mean",
        "precision": "precision",
        "recall": "recall",
    }.items():
        assert ours[name] == pytest.approx(theirs[key], abs=1e-6), name
    assert ours["fid"] > 0.01


@pytest.mark.parametrize("threads", [1, 2])
def test_kids_of_several_sets_are_those_of_torch_fidelity_to_the_last_bit(monkeypatch, threads):
    monkeypatch.setattr(evaluation_fidelity, "SUBSETS", 5)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    real, fakes = extracted(0, 300).h, [extracted(seed, 160, 0.1 * seed).h for seed in (1, 2, 3)]
    settings = {"kid_subsets": 5, "kid_subset_size": 80, "rng_seed": evaluation_fidelity.SEED, "verbose": False}
    theirs = [kid_features_to_metric(fake, real, **settings)["kernel_inception_distance_mean"] for fake in fakes]
    assert kids(fakes, real, 80) == theirs and len(set(theirs)) == 3


@pytest.mark.parametrize("at_once", [7, 500])
def test_precision_and_recall_are_those_of_torch_fidelity_and_of_loops_over_images(monkeypatch, at_once):
    monkeypatch.setattr(evaluation_fidelity, "AT_ONCE", at_once)
    fake, real = extracted(0, 40, 1).h, extracted(1, 60).h
    theirs = prc_features_to_metric(fake, real, prc_neighborhood=3, prc_batch_size=at_once, save_cpu_ram=True, verbose=False)
    ours = share_within(fake, real, radii(real)), share_within(real, fake, radii(fake))
    assert ours == (theirs["precision"], theirs["recall"])
    balls = [sorted(float((a - b).norm()) for b in real.double())[3] for a in real.double()]
    inside = [any(float((a - b).norm()) <= r for b, r in zip(real.double(), balls, strict=True)) for a in fake.double()]
    assert ours[0] == pytest.approx(sum(inside) / 40) and 0 < ours[0] < 1


def test_equal_covariances_leave_the_squared_distance_of_the_means():
    real = extracted(0, 400)
    shift = torch.tensor([1.0, -2, 0, 0.5, 0])
    assert scored(Extracted(real.h + shift, real.logits), real)["fid"] == pytest.approx(float(shift.square().sum()), abs=1e-5)


def test_the_score_of_equally_sure_and_evenly_spread_classes_is_their_number():
    logits = 100 * torch.eye(4).repeat(100, 1)
    assert scored(Extracted(extracted(0, 400).h, logits), extracted(1, 400))["inception_score"] == pytest.approx(4, abs=0.2)
    same = Extracted(extracted(0, 400).h, logits[:1].expand(400, 4))
    assert scored(same, extracted(1, 400))["inception_score"] == pytest.approx(1, abs=1e-6)


def test_precision_is_of_the_samples_and_recall_of_the_real_images():
    real = Extracted(torch.cat([extracted(0, 200).h, extracted(1, 200, 50).h]), torch.zeros(400, 4))
    one_mode = extracted(2, 400)
    found = scored(one_mode, real)
    assert found["precision"] > 0.9 and 0.4 < found["recall"] < 0.55


def test_batch_size_changes_nothing(extractor, generator):
    a, b = (generator_features(generator, UnitRange(), extractor, 110, batch_size=size) for size in (7, 100))
    torch.testing.assert_close(a.h, b.h, rtol=1e-5, atol=1e-5)
    real = image_features(Digits().train_x[:150], extractor)
    assert scored(a, real, 55) == pytest.approx(scored(b, real, 55), rel=1e-4)


def test_what_is_scored_are_the_images_that_draw_draws_and_training_goes_on_as_before(extractor, generator):
    found = generator_features(generator, UnitRange(), extractor, 20)
    assert generator.training and all(p.requires_grad for p in generator.parameters())
    with torch.no_grad():
        h, logits = extractor(evaluation_fidelity.rgb(draw(generator, drawn_z(20), UnitRange())))
    torch.testing.assert_close((found.h, found.logits), (h, logits))
    assert found.h.std() > 0


def test_features_of_real_images_are_kept_by_their_pixels_and_the_extractors_weights(extractor, monkeypatch):
    x, calls = Digits().train_x[300:340], []
    first = image_features(x, extractor)

    def counted(images, extractor, *rest) -> dict[str, torch.Tensor]:
        calls.append(len(images))
        return dict.fromkeys(extractor.features_list, torch.zeros(40, 1))

    monkeypatch.setattr(evaluation_fidelity, "get_featuresdict_from_dataset", counted)
    assert torch.equal(image_features(x, extractor).h, first.h) and not calls
    image_features(x.flip(0), extractor)
    extractor.identity = extractor.identity | {"weights_sha256": "f" * 64}
    image_features(x, extractor)
    assert calls == [40, 40]


def test_two_halves_of_the_real_images_score_near_0_and_noise_far_away(extractor, monkeypatch):
    monkeypatch.setattr(evaluation_fidelity, "SUBSETS", 10)
    x = Digits().train_x[torch.randperm(1400, generator=torch.Generator().manual_seed(0))]
    noise = torch.randint(256, (700, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    a, b, c = (image_features(part, extractor) for part in (x[:700], x[700:], noise))
    near, far = scored(a, b, 500), scored(c, b, 500)
    assert near["fid"] < 0.02 * far["fid"] and abs(near["kid"]) < 0.02 * far["kid"]
    assert near["precision"] > 0.8 and near["recall"] > 0.8 and far["precision"] < 0.2


def test_an_interval_is_as_wide_as_other_draws_of_the_samples_are_apart(monkeypatch):
    monkeypatch.setattr(evaluation_fidelity, "HALVES", 30)
    monkeypatch.setattr(evaluation_fidelity, "SUBSETS", 2)  # of KID, which is not looked at
    real = extracted(100, 1000)
    draws = [scored(extracted(seed, 300, 0.3), real, 150)["fid"] for seed in range(30)]
    interval = scores_with_intervals(extracted(0, 300, 0.3), real)["fid"]
    assert interval.value == draws[0] and interval.value - interval.low == pytest.approx(interval.high - interval.value)
    assert 0.5 < (interval.high - interval.low) / 2 / (2.05 * np.std(draws, ddof=1)) < 2


def test_too_few_images_are_refused():
    with pytest.raises(InputError, match="99 samples and 200 real images are too few .* give 100"):
        scores_with_intervals(extracted(0, 99), extracted(1, 200))


@pytest.mark.parametrize(
    ("samples", "real", "said"),
    [
        (1000, 120, ["120 real images are no more"]),
        (100, 1000, ["100 samples are no more"]),
        (128, 128, ["128 samples and 128 real images are no more"]),
        (129, 129, []),
    ],
)
def test_as_few_samples_or_real_images_as_features_make_a_note(samples, real, said):
    note = evaluation_fidelity.few_images_note(samples, real, 128)
    assert [phrase for phrase in said if phrase in note and "features (128): FID is far too high" in note] == said
    assert bool(note) == bool(said)


@pytest.mark.parametrize("shift", [0, 3])
def test_no_interval_holds_what_its_score_cannot_be(monkeypatch, shift):
    monkeypatch.setattr(evaluation_fidelity, "HALVES", 3)  # wide ones
    monkeypatch.setattr(evaluation_fidelity, "SUBSETS", 2)
    found = scores_with_intervals(extracted(0, 100, shift), extracted(1, 100))
    for name, (least, most) in evaluation_fidelity.BOUNDS.items():
        assert least <= found[name].low <= found[name].value <= found[name].high <= most
    assert evaluation_fidelity.within_bounds("recall", 0.98, 0.5) == Score(0.98, 0.48, 1.0)
    assert evaluation_fidelity.within_bounds("kid", 0.01, 0.5) == Score(0.01, -0.49, 0.51)


def test_only_inceptions_scores_are_called_fid():
    found = {"inception_score": Score(1, 0, 2), "fid": Score(3, 2, 4)}
    assert evaluation_fidelity.suffixed(found, None) == found
    assert evaluation_fidelity.suffixed(found, "mnist") == {"is_mnist": Score(1, 0, 2), "fid_mnist": Score(3, 2, 4)}


def test_provenance_says_all_that_a_score_depends_on(extractor):
    x = Digits().train_x[:200]
    how = fidelity_provenance(extractor, 150, "train", x)
    assert how["extractor_test_error"] == 1.5 and how["samples"] == 150 and how["reference_images"] == 200 and how["resize"] == "none"
    assert {"weights_sha256", "quantisation", "dtype", "torch", "torch-fidelity", "generator_weights", "interval", "kid"} <= set(how)
    other = fidelity_provenance(extractor, 150, "train", x.flip(0))
    assert {k for k in how if how[k] != other[k]} == {"reference_sha256"}
    next(extractor.net.parameters()).add_(1)
    changed = ClassifierFeatures(extractor.net, UnitRange(), 1, "digits", 1.5)
    assert changed.identity["weights_sha256"] != how["weights_sha256"]
