"""VAT and VAT + Ent: consistency with the worst perturbation nearby (Eq. 5; Miyato et al.)."""

from typing import Literal

import torch
from torch import Tensor

from discriminative.objective import Objective, Pass
from gan_sntg.data.loader import Batch, Examples
from gan_sntg.errors import InputError
from gan_sntg.losses import entropy, kl_divergence
from gan_sntg.networks.batch_norm import frozen_statistics
from gan_sntg.networks.noise import RepeatedDraws
from gan_sntg.networks.passes import Precision, drawing_from, with_derivative
from gan_sntg.networks.weight_norm import fixed_weights
from gan_sntg.training.meter import Terms

Probe = Literal["differences", "derivatives"]  # of the direction: two passes in float32, xi apart; or their limit for xi -> 0
GraphPass = Literal["perturbed", "clean"]  # whose features the graph shapes; the paper does not say (reference 1.6)


class VAT(Objective):
    """R_C = KL(f(x) || f(x + r)), |r| = epsilon in the worst direction, f(x) constant; optional entropy.

    All passes of a step over the unlabelled images share one draw of noise, as in the authors' TensorFlow code, and move no running
    statistics: the labelled pass alone does. Those are refreshed on labelled images before each evaluation (reference 4).

    The direction is found by differences of two passes in float32, whatever the run's precision, since rounding to bfloat16 exceeds any
    xi that is near the image; or by derivatives in the run's own precision, which takes fewer passes and rounds otherwise (docs/speed.md).
    """

    divergence = staticmethod(kl_divergence)
    purposes = (*Objective.purposes, "direction", "refresh")

    def __init__(
        self,
        epsilon: float,
        xi: float = 1e-2,
        power_iterations: int = 1,
        entropy_weight: float = 0.0,
        graph_pass: GraphPass = "perturbed",
        refresh_batches: int = 100,
        probe: Probe = "differences",
        **kwargs,
    ):
        """Take the perturbation's size and how it is found.

        epsilon: norm of r, per image.
        xi: norm of the probe, per image, for differences.
        power_iterations: that find the worst direction.
        entropy_weight: of conditional entropy.
        graph_pass: pass whose features the graph shapes.
        refresh_batches: labelled ones that refresh running statistics before an evaluation.
        probe: how the direction is found: differences in float32, or derivatives in the run's precision.

        Raises InputError out of their ranges.

        The source's xi of 1e-6 is lost in the rounding of x + xi d in float32: its direction is half noise (reference 10, 14).
        """
        super().__init__(stream="two", targets_for="needed", **kwargs)  # no choice: they are made of the unlabelled alone
        if not epsilon > 0:
            raise InputError(f"epsilon is {epsilon}; give the norm of the adversarial perturbation, above 0")
        if not 1e-4 <= xi <= 10:
            raise InputError(f"xi is {xi}; give 1e-4 to 10: less is lost in the rounding of float32, more is no longer near the image")
        if power_iterations < 1 or refresh_batches < 0:
            raise InputError(f"power_iterations is {power_iterations}, refresh_batches {refresh_batches}; give at least 1 and 0")
        self.epsilon, self.xi, self.power_iterations = epsilon, xi, power_iterations
        self.entropy_weight, self.graph_pass, self.refresh_batches, self.probe = entropy_weight, graph_pass, refresh_batches, probe

    def weights(self) -> dict[str, float]:
        """Weights of Alg. 1, and that of the entropy."""
        return super().weights() | {"net/entropy": self.entropy_weight}

    def check(self, batch_size: int, labeled_batch_size: int) -> None:
        """Raise InputError where the pairing cannot pair the unlabelled images alone."""
        self.sntg.check(batch_size)

    def terms(self, batch: Batch, t: int) -> Terms:
        """Alg. 1, and the entropy of the clean predictions, of constant weight."""
        found, more = self.passes(batch), {}
        if self.entropy_weight and found.clean is not None:  # before the terms of Alg. 1, whose order counts
            more = {"net/entropy": self.entropy_weight * entropy(found.clean)}
        return self.weighted(found, t) | more

    def passes(self, batch: Batch) -> Pass:
        """The labelled pass; the clean and the perturbed one over the unlabelled images, augmented once."""
        labeled, view = self.view(Batch(labeled=batch.labeled)), self.view(Batch(unlabeled=batch.unlabeled))
        _, logits = self.predict(self.translated(labeled.x))
        x, noise = self.translated(view.x), RepeatedDraws(self.generators["noise"])
        with frozen_statistics(self.net):
            h, clean, d = self.direction(x, noise)
            targets = self.targets(view, clean)
            h_perturbed, perturbed = self.predict_with(noise, x + self.epsilon * d)
        shaped = (h, clean) if self.graph_pass == "clean" else (h_perturbed, perturbed)
        return Pass(view, self.sntg.embed(*shaped), targets, (logits, labeled.y), (targets, perturbed), clean)

    def targets(self, view: Examples, logits: Tensor) -> Tensor:
        """softmax of the clean pass, without gradient."""
        return logits.detach().softmax(1)

    def direction(self, x: Tensor, noise: RepeatedDraws) -> tuple[Tensor, Tensor, Tensor]:
        """(h, logits) of the clean pass, and unit d [B, ...] of steepest KL(f(x) || f(x + d))."""
        d = torch.randn(x.shape, generator=self.generators["direction"], device=x.device, dtype=x.dtype)
        if self.probe == "derivatives":
            return self.by_derivatives(x, d, noise)
        h, clean = self.predict_with(noise, x)
        return h, clean, self.by_differences(x, d, clean.detach().softmax(1), noise)

    def by_differences(self, x: Tensor, d: Tensor, targets: Tensor, noise: RepeatedDraws) -> Tensor:
        """Unit d after power iterations whose products are slopes of KL at x + xi d, in float32."""
        rounded = torch.is_autocast_enabled(x.device.type)
        with Precision.float32(x.device), fixed_weights(self.net):  # rounding would spoil the iteration
            if rounded:  # the difference of two precisions would drown that of x and x + d
                with torch.no_grad():
                    targets = self.predict_with(noise, x)[1].softmax(1)
            for _ in range(self.power_iterations):
                d = (self.xi * unit(d)).requires_grad_()
                (d,) = torch.autograd.grad(kl_divergence(targets, self.predict_with(noise, x + d)[1]), d)
        return unit(d)

    def by_derivatives(self, x: Tensor, d: Tensor, noise: RepeatedDraws) -> tuple[Tensor, Tensor, Tensor]:
        """(h, logits) of the clean pass, and unit d after power iterations by J^T H J d (xi -> 0)."""
        x = x.detach().requires_grad_()
        h, clean, d = self.curvature(x, unit(d), noise)
        for _ in range(self.power_iterations - 1):
            h, clean, d = self.curvature(x, unit(d), noise)
        return h, clean, unit(d)

    def curvature(self, x: Tensor, d: Tensor, noise: RepeatedDraws) -> tuple[Tensor, Tensor, Tensor]:
        """(h, logits) of the clean pass, and J^T H J d, the Hessian of each image's KL times d [B, ...].

        J: the Jacobian of the logits, in forward mode along d and backward through the same pass; H = diag(p) - p p^T.
        """
        noise.begin_pass()
        (h, clean), (_, change) = with_derivative(self.net, x, d, noise)
        p = clean.detach().softmax(1)
        (product,) = torch.autograd.grad(clean, x, p * (change - (p * change).sum(1, keepdim=True)), retain_graph=True)
        return h, clean, product

    def predict_with(self, noise: RepeatedDraws, x: Tensor) -> tuple[Tensor, Tensor]:
        """(h, logits) of the student, with the noise of the first such pass."""
        noise.begin_pass()
        return self.execution(self.net, x, noise)

    @torch.no_grad()
    def before_evaluation(self) -> None:
        """Renew running statistics by training-mode passes over labelled images, where the networks have any."""
        if not any(True for _ in self.net.buffers()):
            return
        generator, index = self.generators["refresh"], self.pool.labeled
        for net in (self.net, self.average.net):
            with drawing_from(net.train(), generator):
                for _ in range(self.refresh_batches):
                    chosen = index[torch.randint(len(index), (100,), generator=generator, device=index.device)]
                    net(self.augmentation(self.pool.view(chosen).x, generator))
        self.average.net.eval()


def unit(d: Tensor) -> Tensor:
    """d [B, ...] by each image's norm; first by its largest element, against underflow (reference 4)."""
    d = d / (d.abs().amax(tuple(range(1, d.dim())), keepdim=True) + 1e-12)
    return d / torch.sqrt(1e-6 + d.square().sum(tuple(range(1, d.dim())), keepdim=True))
