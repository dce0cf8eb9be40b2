"""Ladder network and Gamma model: every layer of a clean path denoised (Rasmus et al., 2015)."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from discriminative.objective import Objective, Pass
from gan_sntg.data.loader import Batch, Examples
from gan_sntg.errors import InputError
from gan_sntg.losses import denoising_loss, supervised_loss
from gan_sntg.networks.batch_norm import frozen_statistics
from gan_sntg.networks.ladder import LadderNetwork
from gan_sntg.networks.passes import Precision
from gan_sntg.schedules import RampedWeight
from gan_sntg.training.meter import Terms

GraphPass = Literal["corrupted", "clean"]  # whose features the graph shapes: an assumption, no one has joined SNTG to the Ladder


class BothPaths(nn.Module):
    """A step's pass over unlabelled images: clean path, corrupted path, and decoder."""

    def __init__(self, net: LadderNetwork, weights: dict[int, float], graph_pass: GraphPass):
        """weights: lambda_l by layer; graph_pass: path of the features that are returned."""
        super().__init__()
        self.net, self.weights, self.graph_pass = net, weights, graph_pass

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[int, Tensor]]:
        """x [B, C, H, W] -> h [B, D], logits [B, K], logits of the clean path, and C_l.

        h and the first logits are of the graph's path. Each C_l is a scalar, by layer; one of weight 0 is left out.
        """
        clean, corrupted = (self.net.encode(x, noisy) for noisy in (False, True))
        found = dict(zip(self.weights, self.net.reconstruct(corrupted), strict=True)) if any(self.weights.values()) else {}
        costs = {
            layer: denoising_loss(found[layer], clean[layer].z, clean[layer].mean, clean[layer].var)
            for layer, weight in self.weights.items()
            if weight
        }
        return *self.net.outputs(corrupted if self.graph_pass == "corrupted" else clean), clean[-1].h, costs


class Ladder(Objective):
    """Cross-entropy of the corrupted path on labels + sum_l lambda_l C_l on unlabelled images.

    C_l is `denoising_loss`, and nothing in it is detached: gradients enter the encoder by both paths. R_S has h of the corrupted path
    and the clean path's softmax, detached, as f~; there is no R_C, and no w(t) but SNTG's own ramp. All of it is float32, whatever the
    run's precision: with 1e-10 under the root a rounded norm explodes. The network is evaluated on the statistics of all labelled images
    as one batch, where the source averages those of its batches.
    """

    net: LadderNetwork
    float32_only = True

    def __init__(self, net: LadderNetwork, denoising_weights: tuple[float, ...], graph_pass: GraphPass = "corrupted", **kwargs):
        """net: encoder and decoder.

        denoising_weights: lambda_l of the layers that the net decodes, from below; graph_pass: path whose features the graph shapes. Raises
        InputError for other weights.
        """
        super().__init__(
            net=net, stream="two", targets_for="needed", consistency_weight=0.0, w=RampedWeight(ramp_epochs=None, scaled=False), **kwargs
        )
        if len(denoising_weights) != len(net.decoders) or not all(0 <= weight < math.inf for weight in denoising_weights):
            raise InputError(
                f"denoising_weights is {list(denoising_weights)}; give {len(net.decoders)} numbers of at least 0, one for each layer that "
                'the net decodes, from the lowest up: the input and all layers, or with decoder: "top" the last one alone'
            )
        first = len(net.layers) + 1 - len(net.decoders)
        self.denoising_weights = dict(enumerate(denoising_weights, start=first))
        self.both_paths = (BothPaths(net, self.denoising_weights, graph_pass),)  # in a tuple: the net is one part of the method

    def weights(self) -> dict[str, float]:
        """That of L_S is 1; lambda_l by layer, the input's 0; and R_S's."""
        costs = {f"net/denoising_{layer}": weight for layer, weight in self.denoising_weights.items()}
        return {"net/labeled": 1.0} | costs | {"net/graph": self.sntg.weight}

    def check(self, batch_size: int, labeled_batch_size: int) -> None:
        """Raise InputError where the pairing cannot pair the unlabelled images alone."""
        self.sntg.check(batch_size)

    def descend(self, name: str, batch: Batch, t: int) -> Terms:
        """As a method, with the backward pass in float32 too."""
        with Precision.float32(batch.view("labeled").x.device):
            return super().descend(name, batch, t)

    def terms(self, batch: Batch, t: int) -> Terms:
        """All terms; the unlabelled images are not passed where none is weighted."""
        labeled = self.view(Batch(labeled=batch.labeled))
        with Precision.float32(labeled.x.device), frozen_statistics(self.net):
            terms = {"net/labeled": supervised_loss(self.predict(self.translated(labeled.x))[1], labeled.y)}
            if any(self.denoising_weights.values()) or self.graph_weight_at(t):
                terms |= self.unlabeled_terms(self.view(Batch(unlabeled=batch.view("unlabeled"))), t)
        return terms

    def unlabeled_terms(self, view: Examples, t: int) -> Terms:
        """lambda_l C_l and R_S of both paths over these images."""
        h, logits, clean_logits, costs = self.execution(*self.both_paths, self.translated(view.x), self.generators["noise"])
        terms = {f"net/denoising_{layer}": self.denoising_weights[layer] * cost for layer, cost in costs.items()}
        if weight := self.graph_weight_at(t):
            targets, embedded = self.targets(view, clean_logits), self.sntg.embed(h, logits)
            terms["net/graph"] = weight * self.graph_term(Pass(view, embedded, targets, (logits, view.y), (targets, logits)))
        return terms

    def targets(self, view: Examples, logits: Tensor) -> Tensor:
        """softmax of the clean path, without gradient."""
        return logits.detach().softmax(1)

    @torch.no_grad()
    def before_evaluation(self) -> None:
        """Store the statistics of all labelled images, layer by layer, in the network and its average."""
        x = self.pool.view(self.pool.labeled).x
        for net in (self.net, self.average.net):
            assert isinstance(net, LadderNetwork)
            net.fit_statistics(x)
