"""Bad GAN: FM-GAN with a surer D, and a G of varied images where data are rare (Dai et al. 2017)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import Batch, MappedPool, Pool
from gan_sntg.distributed import all_gather
from gan_sntg.errors import InputError
from gan_sntg.losses import entropy, low_density, pull_away, variational_entropy
from gan_sntg.methods.base import GenerativeMethod
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks.density import Density
from gan_sntg.networks.gan import Discriminator, Generator
from gan_sntg.networks.inference import Encoder
from gan_sntg.networks.weight_norm import data_dependent_init
from gan_sntg.training.meter import Terms
from gan_sntg.training.optim import trainable


class BadGAN(FeatureMatchingGAN):
    """FM-GAN with conditional entropy for D; pull-away, variational entropy and low density for G.

    A term of weight 0 is not computed and draws nothing: all 0 is FM-GAN bit for bit. SNTG stays in D's step. Low density is of images of
    its own, with a probability per step; that is a factor of 0 or 1, so that a step can be recorded.
    """

    purposes = (*GenerativeMethod.purposes, "density")
    intermittent = ("g/low_density",)
    rare_images, rare_probability = 30, 0.1  # of the low-density term: drawn by each process; per step

    def __init__(
        self,
        discriminator: Discriminator,
        generator: Generator,
        encoder: Encoder | None = None,
        density: Density | None = None,
        entropy_weight: float = 0.0,
        pull_away_weight: float = 0.0,
        variational_weight: float = 0.0,
        low_density_weight: float = 0.0,
        low_density_start_epochs: float = 0,
        **kwargs,
    ):
        """Take the networks and the weight of each term.

        discriminator: D, the classifier.
        generator: G.
        encoder: of z, moved by G's optimizer; for the variational term.
        density: frozen; for the low-density term.
        entropy_weight: of conditional entropy, for D.
        pull_away_weight: of the pull-away term, for G.
        variational_weight: of variational entropy, for G.
        low_density_weight: of low density, for G, per spread of the density.
        low_density_start_epochs: when low density begins.

        An encoder or a density is left out where its weight is 0. Raises InputError for a weight without its part, and another latent size.
        """
        super().__init__(discriminator=discriminator, generator=generator, **kwargs)
        if variational_weight and (encoder is None or encoder.latent != generator.latent):
            raise InputError(f"variational_weight needs an encoder of the generator's latent {generator.latent}; give one, or the weight 0")
        if low_density_weight and density is None:
            raise InputError("low_density_weight needs a density; give one, such as gan_sntg.networks.MixtureDensity, or the weight 0")
        self.encoder, self.density = encoder if variational_weight else None, density if low_density_weight else None
        self.further = {"d/entropy": entropy_weight, "g/pull_away": pull_away_weight}
        self.further |= {"g/variational": variational_weight, "g/low_density": low_density_weight}
        self.low_density_start_epochs = low_density_start_epochs
        if self.encoder is not None:
            self.optimizers["g"].add_param_group({"params": trainable(self.encoder)})

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Its parts that are trained or follow: not the density."""
        return {name: net for name, net in super().networks.items() if net is not self.density}

    @property
    def losses(self) -> dict[str, tuple[nn.Module, Callable[[Batch, int], Terms]]]:
        """G's terms move the encoder too, where there is one."""
        moved = self.generator if self.encoder is None else nn.ModuleList([self.generator, self.encoder])
        return super().losses | {"g": (moved, self.generator_terms)}

    def weights(self) -> dict[str, float]:
        """Those of FM-GAN, and of the four terms."""
        return super().weights() | self.further

    def prepare(self, data: Dataset, pool: Pool) -> None:
        """Fit the density to the unlabelled pool, never to test images."""
        super().prepare(data, pool)
        if self.density is not None:
            if isinstance(pool, MappedPool):
                raise InputError(
                    "BadGAN's density is fitted to all unlabelled images at once, which --pool mapped does not hold; leave one of them out"
                )
            self.density.requires_grad_(False).eval().prepare(pool.normalize(pool.x[pool.unlabeled]))

    def start(self, batch: Batch) -> None:
        """Initialise D and G, then the encoder from G's images."""
        super().start(batch)
        if self.encoder is not None:
            data_dependent_init(self.encoder, self.generate(len(batch.view("unlabeled").x)).detach())

    def infer(self, x: Tensor) -> Tensor | None:
        """The encoder's mean, in the range of z."""
        return None if self.encoder is None else self.encoder(x)[0].clamp(0, 1)

    def graph_key(self, name: str, t: int) -> tuple:
        """Also whether low density has begun."""
        return (*super().graph_key(name, t), name == "g" and t >= self.low_density_start_epochs)

    def unlabeled_terms(self, logits: Tensor) -> Terms:
        """Conditional entropy of D's K classes."""
        weight = self.further["d/entropy"]
        return {"d/entropy": weight * entropy(logits)} if weight else {}

    def generated_terms(self, z: Tensor, fake: Tensor, h: Tensor, t: int) -> Terms:
        """Pull-away of all ranks' images, the encoder's bound of -H(G), and low density once begun."""
        terms: Terms = {}
        if weight := self.further["g/pull_away"]:
            terms["g/pull_away"] = weight * pull_away(all_gather(h))
        if self.encoder is not None:
            mean, log_std = self.execution(self.encoder, fake, self.generators["noise"])
            terms["g/variational"] = self.further["g/variational"] * variational_entropy(z, mean, log_std)
        if self.density is not None and t >= self.low_density_start_epochs:
            draws = self.generators["density"]
            log_p = self.density.log_density(self.execution(self.generator, self.draw_z(self.rare_images, draws), None))
            drawn = torch.rand((), generator=draws, device=draws.device) < self.rare_probability
            excess = low_density(all_gather(log_p), self.density.threshold) / self.density.spread
            terms["g/low_density"] = self.further["g/low_density"] * drawn.to(excess.dtype) * excess
        return terms

    def generated_telemetry(self, fake: Tensor) -> dict[str, Tensor]:
        """The encoder's least log std, and the share of images above the density's threshold."""
        found = {} if self.encoder is None else {"gan/least_log_std": self.encoder(fake)[1].min()}
        if self.density is not None:
            found["gan/dense_share"] = (self.density.log_density(fake) > self.density.threshold).float().mean()
        return found
