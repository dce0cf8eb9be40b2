"""What tests of graphs share: a file of neighbours and one of predictions."""

import pytest
from helpers.graph_tables import CLASSES, SHA, neighbors_table

from gan_sntg.graph.adjacency import write_neighbors, write_predictions


@pytest.fixture
def both(tmp_path) -> tuple[str, str]:
    """knn.npz and pred.npz of the data SHA."""
    write_neighbors(tmp_path / "knn.npz", SHA, neighbors_table())
    write_predictions(tmp_path / "pred.npz", SHA, CLASSES, "Supervised", "12.34", "f" * 64)
    return str(tmp_path / "knn.npz"), str(tmp_path / "pred.npz")
