"""What does a classifier lose against given targets? The supervised term of both families."""

import torch.nn.functional as F
from torch import Tensor

from gan_sntg.core.data.streams import UNLABELED


def supervised_loss(logits: Tensor, y: Tensor) -> Tensor:
    """-(1/|B|) sum over the known labels of log softmax(logits)_y (Alg. 1, line 8): divided by B, not by the number known.

    On a batch whose labels are all known it is the mean of Z(x) - l_y(x), the Improved GAN's supervised loss.
    logits [B, K], y [B] with UNLABELED where hidden -> scalar.
    """
    return F.cross_entropy(logits, y, ignore_index=UNLABELED, reduction="sum") / len(y)
