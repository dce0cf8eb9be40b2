"""How good is a classifier, and how right is the graph? Figures that are watched and never minimised."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gan_sntg.core.data.streams import UNLABELED
from gan_sntg.core.graph import contrastive


@torch.no_grad()
def error_rate(net: nn.Module, x: Tensor, y: Tensor, normalize: Callable[[Tensor], Tensor], batch_size: int = 1000) -> float:
    """Percent of images whose arg max logit is not the label. x uint8 [N, C, H, W], y [N], all of them; evaluation mode."""
    training = net.training
    net.eval()
    wrong = sum((net(normalize(xs))[1].argmax(1) != ys).sum() for xs, ys in zip(x.split(batch_size), y.split(batch_size), strict=True))
    net.train(training)
    return 100 * int(wrong) / len(y)


@torch.no_grad()
def graph_telemetry(h: Tensor, targets: Tensor, truth: Tensor, pairs: tuple[Tensor, Tensor], distance, margin: float) -> dict[str, Tensor]:
    """What the 0-1 graph of the teacher alone (no labels merged) says of the pairs, against the hidden labels.

    h [B, D], targets [B, K], truth [B], pairs i, j [S]. Precision and recall are of W_ij = 1; shares and accuracy in 0..1;
    NaN where there is nothing to count. What is compared with `truth` leaves out the images of which it is UNLABELED.
    """
    i, j = pairs
    classes, known = targets.argmax(1), truth != UNLABELED
    positive, same, judged = classes[i] == classes[j], truth[i] == truth[j], known[i] & known[j]
    d = distance(h[i], h[j])
    right = (positive & same & judged).sum()
    return {
        "graph/precision": right / (positive & judged).sum(),
        "graph/recall": right / (same & judged).sum(),
        "graph/teacher_accuracy": (classes == truth)[known].float().mean(),
        "graph/teacher_confidence": targets.max(1).values.mean(),
        "graph/negatives_inside_margin": (d[~positive] < margin).float().mean(),
        "graph/distance_positive": d[positive].mean(),
        "graph/distance_negative": d[~positive].mean(),
        "graph/unweighted_loss": contrastive(d, positive.to(d.dtype), margin).mean(),
    }
