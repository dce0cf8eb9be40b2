"""Small graphs of neighbours and of predictions that tests share."""

import torch

SHA = "0123456789abcdef" * 4
N, K, NEAR = 30, 4, 3
CLASSES = torch.arange(N) * 7 % 11 % K


def neighbors_table() -> torch.Tensor:
    """int32 [N, NEAR]: different others of each, not symmetric."""
    g = torch.Generator().manual_seed(0)
    rows = [[j for j in torch.randperm(N, generator=g).tolist() if j != i][:NEAR] for i in range(N)]
    return torch.tensor(rows, dtype=torch.int32)
