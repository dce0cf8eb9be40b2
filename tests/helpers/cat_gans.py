"""Small CatGANs, their runs, and predictions that are given."""

from itertools import islice

import torch

from gan_sntg.graph.teachers import SecondPass
from gan_sntg.methods.cat_gan import CatGAN
from gan_sntg.networks.gan import BatchNormDiscriminator, DenseGenerator
from helpers.tiny import Squares, UnitRange64, sntg, started, streams


def gan(seed: int = 0, dtype: torch.dtype = torch.float32, noise: float = 0.3, **options) -> CatGAN:
    torch.manual_seed(seed)
    nets = BatchNormDiscriminator((1, 4, 4), 3, widths=(12, 8), noise=noise), DenseGenerator((1, 4, 4), latent=5, widths=(9,))
    graph = sntg(options)
    method = CatGAN(discriminator=nets[0], generator=nets[1], sntg=graph, **({"teacher": SecondPass()} | options)).to(dtype)
    method.prepare(data := Squares(), streams(source=data).pool)
    method.to(dtype).seed(seed, "cpu")
    return method


def quiet(**options):
    """A method in float64 without noise, and a batch."""
    s = streams(normalization=UnitRange64)
    return started(gan(dtype=torch.float64, noise=0.0, **options), s), next(s.epoch())


def run(steps: int = 8, relabel=None, **options) -> tuple[dict, list[dict]]:
    s, log = streams(), []
    method = started(gan(**options), s)
    batches = (batch for _ in range(steps) for batch in s.epoch())
    for batch in islice(batches, steps):
        batch = batch if relabel is None else relabel(batch)
        log.append(method.step(batch, 1 + len(log)))
    draws = {name: generator.get_state() for name, generator in method.generators.items() if name != "graph"}
    return {k: v for k, v in method.state_dict().items() if not k.startswith("teacher")} | draws, log


def answering(method: CatGAN, *probabilities: list) -> None:
    """Let D's next passes predict these [B, K]."""
    logits = iter([torch.tensor(p, dtype=torch.float64).log() for p in probabilities])
    method.discriminate = lambda x: (torch.zeros(1), next(logits))


def value(terms: dict) -> float:
    return float(sum(terms.values()).detach())


def close(found, expected, atol: float = 1e-5) -> None:
    torch.testing.assert_close(torch.as_tensor(found, dtype=torch.float64), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=atol)
