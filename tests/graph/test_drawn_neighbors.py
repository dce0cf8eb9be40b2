"""Pairs drawn from the graph of nearest images: a batch's second half are neighbours of its first, and half of the pairs join them."""

from pathlib import Path

import pytest
import torch
from helpers.method_factories import made, prepared
from helpers.tiny import Squares, assert_same

from gan_sntg.data.loader import Pool
from gan_sntg.errors import InputError
from gan_sntg.graph.adjacency import DrawnNeighborGraph
from gan_sntg.graph.fixed_graphs import write_neighbors
from gan_sntg.graph.neighbors import nearest
from gan_sntg.graph.pairs import Pairs


@pytest.fixture
def table() -> torch.Tensor:
    return torch.cat(list(nearest(Squares().train_x, 4)))


@pytest.fixture
def graph(table, tmp_path) -> DrawnNeighborGraph:
    write_neighbors(tmp_path / "knn.npz", Squares().sha256, table)
    return DrawnNeighborGraph(str(tmp_path / "knn.npz"))


@pytest.mark.parametrize("batch_size", [2, 10, 11])
def test_the_second_half_of_a_batch_are_neighbours_of_its_first(graph, table, batch_size):
    method = made("pi", graph=graph)
    s = prepared(method, batch_size=batch_size)
    for batch in s.epoch():
        view, half = method.view(batch), batch_size // 2
        assert torch.equal(view.index[:half], batch.unlabeled.index[:half])
        assert torch.equal(view.index[2 * half :], batch.unlabeled.index[2 * half :])
        for i, j in zip(view.index[:half].tolist(), view.index[half : 2 * half].tolist(), strict=True):
            assert j in table[i].tolist()
        assert torch.equal(view.x, s.pool.view(view.index).x) and torch.equal(view.y, s.pool.y[view.index])


def test_each_image_and_its_neighbour_are_a_pair_beside_those_of_the_pairing(graph):
    chosen, order = Pairs(torch.tensor([3, 1, 0]), torch.tensor([5, 4, 2])), torch.tensor([2, 0, 5, 6, 1, 4, 3])
    i, j = graph.pairs(chosen, order)
    assert list(zip(i.tolist(), j.tolist(), strict=True))[3:] == [(3, 5), (1, 4), (0, 2)]
    assert list(zip(order[i[:3]].tolist(), order[j[:3]].tolist(), strict=True)) == [(0, 3), (1, 4), (2, 5)]


def test_all_drawn_pairs_have_weight_1_in_the_loss(graph, monkeypatch):
    seen = []
    monkeypatch.setattr("gan_sntg.graph.sntg.pair_loss", lambda h, pairs, w, margin, distance: seen.append(w) or h.sum())
    method = made("pi", graph=graph)
    for batch in prepared(method).epoch():
        method.terms(batch, 1)
    assert all(len(w) == 10 and (w[:5] == 1).all() for w in seen) and len(seen) == 6


def test_without_the_graphs_weight_the_batches_are_those_of_the_streams(graph):
    found = []
    for options in {"graph": graph}, {}:
        method = made("pi", weight=0.0, **options)
        for batch in prepared(method).epoch():
            method.step(batch, 1)
        found.append(method.state_dict())
    assert_same(*found)


def test_it_trains(graph):
    method = made("pi", graph=graph)
    for batch in prepared(method).epoch():
        assert all(value.isfinite() for value in method.step(batch, 1).values())


def test_two_streams_or_held_out_images_are_refused(graph):
    with pytest.raises(InputError, match="use stream: mixed"):
        prepared(made("pi", graph=graph, stream="two"))
    source = Squares()
    pool = Pool(source.train_x, source.train_y, source.train_y, torch.arange(50), lambda x: x, "cpu")
    with pytest.raises(InputError, match="leave --validation out"):
        made("pi", graph=graph).prepare(source, pool)


def test_a_graph_of_other_data_is_refused(tmp_path, table):
    write_neighbors(tmp_path / "knn.npz", "0" * 64, table)
    with pytest.raises(InputError, match=str(Path(tmp_path / "knn.npz"))):
        prepared(made("pi", graph=DrawnNeighborGraph(str(tmp_path / "knn.npz"))))
