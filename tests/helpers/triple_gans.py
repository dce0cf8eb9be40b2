"""Small Triple-GANs on 4 x 4 pixels, their runs, and answers of D that are given."""

from itertools import islice

import torch

from gan_sntg.data.loader import Batch
from gan_sntg.graph import Averaged
from gan_sntg.methods.triple_gan import TripleGAN
from gan_sntg.networks.classifiers import Classifier
from gan_sntg.networks.conditional import DenseConditionalGenerator, DensePairDiscriminator
from gan_sntg.networks.gan import BatchNormDiscriminator
from gan_sntg.schedules import LinearTail, RampedWeight
from helpers.tiny import Squares, UnitRange64, sntg, started, streams

EVERY = {"consistency_weight": 2.0, "entropy_weight": 0.3, "balance_weight": 0.4, "adversarial_weight": 0.5, "generated_weight": 0.6}


def classifier(noise: float = 0.3) -> Classifier:
    return BatchNormDiscriminator((1, 4, 4), 3, widths=(12, 8), noise=noise)


def gan(seed: int = 0, dtype: torch.dtype = torch.float32, noise: float = 0.3, net: Classifier | None = None, **options) -> TripleGAN:
    """With every term unless told otherwise, its ramps past their end from the second epoch on."""
    torch.manual_seed(seed)
    c = net or classifier(noise)
    d = DensePairDiscriminator((1, 4, 4), 3, widths=(9, 7), input_noise=noise, hidden_noise=noise)
    g = DenseConditionalGenerator((1, 4, 4), 3, latent=5, widths=(9,))
    graph = sntg(options, weight=0.5)
    options = {"schedule": LinearTail(), "learning_rate": 1e-2, "teacher": Averaged(0.9), "average_decay": 0.9} | EVERY | options
    method = TripleGAN(net=c, discriminator=d, generator=g, sntg=graph, **options).to(dtype)
    method.prepare(data := Squares(), streams(source=data).pool)
    method.to(dtype).seed(seed, "cpu")
    return method


def quiet(noise: float = 0.0, **options) -> tuple[TripleGAN, Batch]:
    """A method in float64, without noise, and a batch."""
    s = streams(normalization=UnitRange64)
    return started(gan(dtype=torch.float64, noise=noise, **options), s), next(s.epoch())


def run(steps: int = 4, relabel=lambda batch: batch, first_epoch: int = 1, **options) -> tuple[dict, list[dict]]:
    """State and streams' draws after so many steps, each an epoch of its own; the terms of each."""
    s, log = streams(), []
    method = started(gan(**options), s)
    for batch in islice((batch for _ in range(steps) for batch in s.epoch()), steps):
        log.append(method.step(relabel(batch), first_epoch + len(log)))
    draws = {name: generator.get_state() for name, generator in method.generators.items()}
    return method.state_dict() | draws, log


def of(state: dict, *names: str) -> dict:
    """What belongs to networks, or is the state of a generator, of these names."""
    return {key: value for key, value in state.items() if key.split(".")[0] in names}


def saying(method: TripleGAN, *d: float) -> TripleGAN:
    """Let D answer with these probabilities, over and over again."""
    method.judge = lambda x, y: torch.tensor(d, dtype=torch.float64).logit().repeat(len(y) // len(d))
    return method


def unscaled(weight: float) -> RampedWeight:
    return RampedWeight(weight, 2, False)


def close(found, expected, atol: float = 1e-5) -> None:
    torch.testing.assert_close(torch.as_tensor(found, dtype=torch.float64), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=atol)
