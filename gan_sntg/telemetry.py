"""What is watched of the GAN each interval and not minimised? What D, without noise, makes of real images, of G's and of the graph."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Generator as Random
from torch import Tensor

from gan_sntg.core.data.streams import View
from gan_sntg.core.draws import drawing_from
from gan_sntg.core.evaluate import graph_telemetry
from gan_sntg.core.graph import Distance
from gan_sntg.core.layers import frozen_statistics
from gan_sntg.core.pairs import all_pairs
from gan_sntg.health import health_telemetry
from gan_sntg.losses import Matching
from gan_sntg.networks import Discriminator, Generator
from gan_sntg.teachers import Teacher


@contextmanager
def watched(discriminator: Discriminator, generator: Generator, draws: Random) -> Iterator[None]:
    """Within it D evaluates and G normalises by its batch, as in training; running statistics, modes and streams stay as they were."""
    nets = discriminator, generator
    modes = [net.training for net in nets]
    with ExitStack() as stack:
        for net in nets:
            stack.enter_context(frozen_statistics(net))
            stack.enter_context(drawing_from(net, draws))
        discriminator.eval()
        generator.train()
        try:
            yield
        finally:
            for net, training in zip(nets, modes, strict=True):
                net.train(training)


@torch.no_grad()
def gan_telemetry(
    discriminator: Discriminator, generator: Generator, teacher: Teacher, view: View, matching: Matching, distance: Distance, margin: float
) -> dict[str, Tensor]:
    """D's accuracy on the B real images of `view` and on B of G, the matching gap, G's health, and the graph of the teacher.

    z and all noise are the same at each call, from a generator made here.
    """
    draws, like = Random(view.x.device).manual_seed(0), next(generator.parameters())
    z = torch.rand(len(view.x), generator.latent, generator=draws, device=draws.device, dtype=like.dtype)
    with watched(discriminator, generator, draws):
        h, logits = discriminator(view.x)
        h_fake, logits_fake = discriminator(generator(z))
        targets = teacher.targets(discriminator, view, logits, draws)
    return {
        "gan/real_accuracy": (torch.logsumexp(logits, 1) > 0).float().mean(),
        "gan/generated_accuracy": (torch.logsumexp(logits_fake, 1) < 0).float().mean(),
        "gan/matching_gap": matching(h, h_fake),
        **health_telemetry(h_fake, h, logits_fake),
        **graph_telemetry(h, targets, view.y, all_pairs(len(h), h.device), distance, margin),
    }
