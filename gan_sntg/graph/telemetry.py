"""Telemetry of the graph: precision, recall, teacher accuracy and distances."""

import torch
from torch import Tensor

from gan_sntg.data.loader import UNLABELED
from gan_sntg.graph.loss import contrastive
from gan_sntg.graph.pairs import Pairs


@torch.no_grad()
def graph_telemetry(h: Tensor, targets: Tensor, truth: Tensor, pairs: Pairs, distance, margin: float) -> dict[str, Tensor]:
    """Quality of the teacher's 0-1 graph (no labels merged) on the pairs, against the hidden labels.

    h [B, D], targets [B, K], truth [B]. Precision and recall are of W_ij = 1; shares and accuracy in 0..1;
    NaN where there is nothing to count. What is compared with `truth` leaves out the images of which it is UNLABELED.
    """
    i, j = pairs
    classes, known = targets.argmax(1), truth != UNLABELED
    positive, same, judged = classes[i] == classes[j], truth[i] == truth[j], known[i] & known[j]
    d = distance(h, pairs)
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
