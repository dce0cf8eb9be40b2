"""A small graph of each kind that is kept in a file, which tests share."""

from pathlib import Path

import torch

from gan_sntg.graph.fixed_graphs import write_neighbors, write_predictions

SHA = "0123456789abcdef" * 4
N, K, NEAR = 30, 4, 3
CLASSES = torch.arange(N) * 7 % 11 % K


def neighbors_table() -> torch.Tensor:
    """int32 [N, NEAR]: different others of each, not symmetric."""
    g = torch.Generator().manual_seed(0)
    rows = [[j for j in torch.randperm(N, generator=g).tolist() if j != i][:NEAR] for i in range(N)]
    return torch.tensor(rows, dtype=torch.int32)


def write_both(folder: Path) -> tuple[str, str]:
    """knn.npz and pred.npz of the data SHA."""
    write_neighbors(folder / "knn.npz", SHA, neighbors_table())
    write_predictions(folder / "pred.npz", SHA, CLASSES, "Supervised", "12.34", "f" * 64)
    return str(folder / "knn.npz"), str(folder / "pred.npz")
