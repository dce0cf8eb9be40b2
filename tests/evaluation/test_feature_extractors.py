"""Extractors: Inception's weights are read without pickle and known by their hash; EfficientNet's scores bear its name."""

import hashlib
import io
import pickle
from pathlib import Path

import pytest
import torch
from helpers.data_files import Intruder
from torch_fidelity import feature_extractor_inceptionv3 as theirs

from gan_sntg.errors import InputError
from gan_sntg.evaluation import feature_extractors
from gan_sntg.evaluation.feature_extractors import INCEPTION_FILE, INCEPTION_HASH, Inception, inception_file, read_weights

IMAGES = torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory) -> Path:
    """A file of the format of Inception's weights, with random values."""
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theirs, "load_state_dict_from_url", lambda *a, **b: {})
        patch.setattr(theirs.FeatureExtractorInceptionV3, "load_state_dict", lambda *a: None)
        torch.manual_seed(0)
        net = theirs.FeatureExtractorInceptionV3("random", ["2048"])
    torch.save(net.state_dict(), path)
    return path


def test_features_are_those_of_torch_fidelity_and_the_name_says_that_the_weights_are_not_the_published_ones(random_weights):
    ours = Inception(random_weights)
    reference = theirs.FeatureExtractorInceptionV3("theirs", ["2048", "logits_unbiased"], str(random_weights))
    with torch.no_grad():
        h, _ = outputs = ours(IMAGES)
        torch.testing.assert_close(outputs, reference(IMAGES), rtol=0, atol=0)
    found = hashlib.sha256(random_weights.read_bytes()).hexdigest()
    assert ours.suffix == f"inception_{found[:8]}" and ours.identity["weights_sha256"] == found
    assert not ours.training and h.std() > 0


def test_published_weights_make_the_standard_names(random_weights, monkeypatch):
    monkeypatch.setattr(feature_extractors, "INCEPTION_HASH", hashlib.sha256(random_weights.read_bytes()).hexdigest()[:8])
    assert Inception(random_weights).suffix is None


def test_the_message_for_absent_weights_names_the_file_its_hash_and_what_to_do(tmp_path):
    with pytest.raises(InputError) as refusal:
        inception_file(tmp_path, download=False)
    for phrase in str(tmp_path / INCEPTION_FILE), INCEPTION_HASH, "--download", "efficientnet_lite0":
        assert phrase in str(refusal.value)
    assert [*tmp_path.iterdir()] == [] and (INCEPTION_FILE, INCEPTION_HASH) == ("weights-inception-2015-12-05-6726825d.pth", "6726825d")


def test_a_file_of_that_name_with_another_content_is_refused(tmp_path):
    (tmp_path / INCEPTION_FILE).write_bytes(b"something else")
    with pytest.raises(InputError, match="not the published file"):
        inception_file(tmp_path, download=True)


def test_weights_are_fetched_only_where_download_says_so_and_checked(tmp_path, monkeypatch):
    (tmp_path / "published").write_bytes(b"weights")
    monkeypatch.setattr(feature_extractors, "URL_INCEPTION_V3", (tmp_path / "published").as_uri())
    with pytest.raises(InputError, match="cannot be fetched .*invalid hash"):
        inception_file(tmp_path / "data", download=True)
    monkeypatch.setattr(feature_extractors, "INCEPTION_HASH", hashlib.sha256(b"weights").hexdigest()[:8])
    assert inception_file(tmp_path / "data", download=True).read_bytes() == b"weights"
    monkeypatch.setattr(feature_extractors, "URL_INCEPTION_V3", "file:///nowhere")
    assert inception_file(tmp_path / "data", download=True).is_file()  # and not again


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save({"fc.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="does not hold Inception's weights"):
        Inception(tmp_path / "other.pth")


@pytest.mark.parametrize("content", [b"", b"no weights", pickle.dumps(Intruder()), "zip", "object"])
def test_a_file_that_is_no_state_of_tensors_is_refused_and_nothing_is_executed(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    if isinstance(content, str):
        buffer = io.BytesIO()
        torch.save(Intruder() if content == "zip" else [1, 2], buffer)
        content = buffer.getvalue()
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(InputError, match="w.pth (is not a readable file|does not hold)"):
        read_weights(tmp_path / "w.pth")
    assert not (tmp_path / "trace").exists()


def test_efficientnet_sees_what_its_weights_were_trained_on():
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra offline-fidelity is not installed")
    net = feature_extractors.EfficientNetLite0()
    plain = feature_extractors.EfficientNet.from_name("efficientnet-lite0").eval()
    plain.load_state_dict(read_weights(Path(feature_extractors.EfficientnetLite0ModelFile.get_model_file_path())))
    images = IMAGES.repeat(4, 1, 1, 1)  # more than are seen at once
    with torch.no_grad():
        h, logits = net(images)
        prepared = torch.nn.functional.interpolate((images.float() - 127) / 128, size=(224, 224), mode="bilinear", align_corners=False)
        torch.testing.assert_close(logits, plain(prepared), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(h, plain.extract_features(prepared).mean((2, 3)), rtol=1e-4, atol=1e-4)
    assert h.shape == (12, 1280) and logits.shape == (12, 1000) and net.suffix == "efficientnet_lite0"
    assert net.identity["weights_sha256"].startswith("57934424")


def test_without_its_packages_the_message_says_how_to_install_them(monkeypatch):
    monkeypatch.setattr(feature_extractors, "EfficientNet", None)
    with pytest.raises(InputError, match=r"offline-fidelity"):
        feature_extractors.EfficientNetLite0()
