"""Small parts that tests share: a source of a few noisy images, streams over it, and GANs on a few pixels."""

import inspect

import torch

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import Batch, Examples, Loader, Pool
from gan_sntg.data.normalization import UnitRange
from gan_sntg.data.splits import make_split
from gan_sntg.graph.adjacency import TeacherGraph
from gan_sntg.graph.loss import Graph
from gan_sntg.graph.sntg import SNTG
from gan_sntg.graph.teachers import SecondPass
from gan_sntg.methods.bad_gan import BadGAN
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks.density import Density, MixtureDensity
from gan_sntg.networks.gan import ConvDiscriminator, ConvGenerator, DenseDiscriminator, DenseGenerator
from gan_sntg.networks.inference import DenseEncoder


class Squares(Dataset):
    """Grey 4 x 4 images of three brightnesses."""

    name = "squares"
    num_classes = 3

    def __init__(self, n: int = 60):
        g = torch.Generator().manual_seed(0)
        y = torch.arange(n) % 3
        x = (60 + 60 * y.view(-1, 1, 1, 1) + 20 * torch.randn(n, 1, 4, 4, generator=g)).clamp(0, 255).to(torch.uint8)
        self.train_x, self.train_y, self.test_x, self.test_y = x, y, x[:30], y[:30]
        self.validation = torch.arange(n - 12, n)


class UnitRange64(UnitRange):
    """As UnitRange, in float64."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return super().__call__(x).double()


def streams(
    labels: int = 6, batch_size: int = 10, seed: int = 0, source: Dataset | None = None, normalization=UnitRange, device: str = "cpu"
) -> Loader:
    source = source or Squares()
    split = make_split(source, labels, 0, False)
    pool = Pool(source.train_x, source.train_y, split.known(source), split.pool(source), normalization(), device)
    return Loader(pool, batch_size, seed)


def gan(seed: int = 0, dtype: torch.dtype = torch.float32, device: str = "cpu", kind: type = FeatureMatchingGAN, **options):
    torch.manual_seed(seed)
    d, g = DenseDiscriminator((1, 4, 4), 3, widths=(12, 8)), DenseGenerator((1, 4, 4), latent=5, widths=(9,))
    graph = sntg(options)
    method = kind(discriminator=d, generator=g, sntg=graph, **({"teacher": SecondPass()} | options)).to(device, dtype)
    method.prepare(data := Squares(), streams(source=data).pool)
    method.to(device, dtype).seed(seed, device)
    return method


class Dark(Density):
    """log p = -|x|^2, of which most images of an untrained generator are above the threshold."""

    def log_density(self, images: torch.Tensor) -> torch.Tensor:
        return -images.flatten(1).square().sum(1)


def mixture(scale: float):
    """A fit of `MixtureDensity` as it might be found, without scikit-learn, which is slow to load."""

    def fitted(density: MixtureDensity, x: torch.Tensor, directions: int) -> dict[str, torch.Tensor]:
        k, d = density.components, x.shape[1]
        found = {"center": x.mean(0).float(), "basis": torch.eye(d)[:, :directions], "rest": torch.tensor(1e3)}
        roots = scale * torch.eye(directions).repeat(k, 1, 1)
        return found | {"log_weights": -torch.ones(k), "means": torch.zeros(k, directions), "roots": roots}

    return fitted


FURTHER = {"entropy_weight": 0.1, "pull_away_weight": 0.8, "variational_weight": 0.01, "low_density_weight": 0.5}


def bad_gan(seed: int = 0, dtype: torch.dtype = torch.float32, device: str = "cpu", **options) -> BadGAN:
    """Bad GAN with all of its terms unless told otherwise, low density in half of the steps."""
    parts = {"encoder": DenseEncoder((1, 4, 4), latent=5, widths=(7,)), "density": Dark()}
    torch.manual_seed(seed)
    for part in parts["encoder"].parameters():
        torch.nn.init.normal_(part, std=0.1)
    method = gan(seed, dtype, device, BadGAN, **(parts | FURTHER | options))
    method.rare_probability, method.rare_images = 0.5, 6
    return method


SHAPES = {"dense": (1, 4, 4), "conv": (1, 28, 28), "points": (2,)}


def pair_gan(kind: str, n: int = 40, **options) -> FeatureMatchingGAN:
    """A GAN of small networks for the shape of a kind and n images, not started."""
    torch.manual_seed(0)
    shape = SHAPES[kind]
    if kind == "conv":
        nets = ConvDiscriminator(shape, 3, widths=(4, 6)), ConvGenerator(shape, latent=5, width=4)
    else:
        nets = DenseDiscriminator(shape, 3, widths=(12, 8)), DenseGenerator(shape, latent=5, widths=(9,))
    method = FeatureMatchingGAN(discriminator=nets[0], generator=nets[1], **({"teacher": SecondPass(), "sntg": SNTG(1.0)} | options))
    method.pool = None  # no graph of these draws images from it
    method.teacher.start(method.discriminator, n, 3)
    method.seed(0, "cpu")
    method.settings = {}
    return method


def pair_batch(kind: str, seed: int = 1, n: int = 40) -> Batch:
    """The same n images of a kind for every view."""
    x = torch.rand(n, *SHAPES[kind], generator=torch.Generator().manual_seed(seed))
    view = Examples(x, torch.arange(n) % 3, torch.arange(n))
    return Batch(view, view, view)


def sntg(options: dict, **defaults) -> SNTG:
    """SNTG of those of the options that are its own, which are taken out; `graph` may be a `Graph`."""
    own = {name: options.pop(name) for name in inspect.signature(SNTG).parameters if name in options}
    if isinstance(own.get("graph"), Graph):
        own["graph"] = TeacherGraph(own["graph"])
    return SNTG(**(defaults | own))


def started(method, from_streams: Loader):
    method.start(from_streams.example(30, "start"))
    return method


def assert_same(a: dict, b: dict) -> None:
    """Equal bit for bit; NaN, as unfixed statistics are, equals NaN."""
    torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def weights(net) -> torch.Tensor:
    """All parameters of a net as one vector."""
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def norms(method, term: torch.Tensor) -> dict[str, float]:
    """How large the gradient of a term is in each network of a GAN."""
    nets = {"d": method.discriminator, "g": method.generator, "teacher": method.teacher, "average": method.average}
    out = {}
    for name, net in nets.items():
        params = [p for p in net.parameters() if p.requires_grad]
        grads = torch.autograd.grad(term, params, retain_graph=True, allow_unused=True) if params else []
        out[name] = float(sum(g.abs().sum() for g in grads if g is not None))
    return out
