"""Graphs against naive loops: the teacher's with and without labels, of predictions, of neighbours, and batches drawn from the last."""

import pytest
import torch
from helpers.graph_tables import CLASSES, NEAR, K, N, neighbors_table
from helpers.method_factories import made, prepared
from helpers.tiny import Squares, assert_same, gan

from gan_sntg.data.loader import Pool
from gan_sntg.errors import InputError
from gan_sntg.graph import sntg
from gan_sntg.graph.adjacency import Adjacency, DrawnNeighborGraph, FixedGraph, NeighborGraph, TeacherGraph, write_neighbors
from gan_sntg.graph.loss import Graph
from gan_sntg.graph.neighbors import nearest
from gan_sntg.graph.pairs import Pairs, all_pairs
from gan_sntg.runs.parsing import Parser


def batch(n: int, seed: int, hidden: float = 0.5, dtype=torch.float64):
    """targets, y, index and all pairs of a batch of n of the N images."""
    g = torch.Generator().manual_seed(seed)
    targets = torch.randn(n, K, generator=g, dtype=dtype).softmax(1)
    y = torch.randint(K, (n,), generator=g).where(torch.rand(n, generator=g) >= hidden, -1)
    return targets, y, torch.randperm(N, generator=g)[:n], *all_pairs(n)


def same_class(classes: list[int], i, j) -> torch.Tensor:
    return torch.tensor([float(classes[a] == classes[b]) for a, b in zip(i.tolist(), j.tolist(), strict=True)], dtype=torch.float64)


SIZES = pytest.mark.parametrize(("n", "hidden"), [(2, 0.5), (7, 0.0), (12, 0.5), (30, 1.0)])


# --- the teacher's graph ----------------------------------------------------------------------------------------------


@SIZES
@pytest.mark.parametrize("kind", list(Graph))
def test_the_teachers_graph_knows_labels_with_merge_and_looks_at_none_without(n, hidden, kind):
    """Both kinds against loops: test_loss.py."""
    targets, y, index, i, j = batch(n, n, hidden)
    torch.testing.assert_close(TeacherGraph(kind).weights(targets, y, index, i, j), kind(targets, y, i, j))
    found = TeacherGraph(kind, merge=False).weights(targets, y, index, i, j)
    torch.testing.assert_close(found, kind(targets, torch.full_like(y, -1), i, j))


# --- graphs from files ------------------------------------------------------------------------------------------------


@SIZES
def test_a_known_label_overrides_the_prediction_with_merge_and_is_not_looked_at_without(n, hidden, both):
    targets, y, index, i, j = batch(n, n, hidden)
    predicted = [int(CLASSES[k]) for k in index.tolist()]
    merged = [label if label >= 0 else k for label, k in zip(y.tolist(), predicted, strict=True)]
    torch.testing.assert_close(FixedGraph(both[1]).weights(targets, y, index, i, j), same_class(merged, i, j))
    torch.testing.assert_close(FixedGraph(both[1], False).weights(targets, y, index, i, j), same_class(predicted, i, j))


@SIZES
def test_neighbours_are_joined_if_either_is_among_the_nearest_of_the_other(n, hidden, both):
    targets, y, index, i, j = batch(n, n, hidden)
    table, at = neighbors_table().tolist(), index.tolist()
    pairs = [(at[a], at[b]) for a, b in zip(i.tolist(), j.tolist(), strict=True)]
    naive = torch.tensor([float(b in table[a] or a in table[b]) for a, b in pairs], dtype=torch.float64)
    found = NeighborGraph(both[0]).weights(targets, y, index, i, j)
    torch.testing.assert_close(found, naive)
    torch.testing.assert_close(NeighborGraph(both[0]).weights(targets, y, index, j, i), found)
    if n == N:
        assert {(b in table[a], a in table[b]) for a, b in pairs} >= {(True, False), (False, True), (False, False)}


def test_an_image_is_no_neighbour_of_itself(both):
    targets, y, _, i, j = batch(2, 0)
    assert NeighborGraph(both[0]).weights(targets, y, torch.tensor([5, 5]), i, j).tolist() == [0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_are_of_the_targets_type_and_let_no_gradient_through(dtype, both):
    targets, y, index, i, j = batch(10, 0, dtype=dtype)
    targets.requires_grad_()
    for graph in TeacherGraph(), TeacherGraph(Graph.soft), FixedGraph(both[1]), NeighborGraph(both[0]):
        w = graph.weights(targets, y, index, i, j)
        assert (w.dtype, w.shape, w.requires_grad) == (dtype, i.shape, False)


def test_weights_and_neighbours_work_where_their_inputs_are(both):
    targets, y, index, i, j = (tensor.to("meta") for tensor in batch(10, 0))
    for graph in FixedGraph(both[1]), NeighborGraph(both[0]):
        assert graph.weights(targets, y, index, i, j).device.type == "meta"
        assert graph.table.device.type == "meta"


def test_a_random_neighbour_is_uniform_over_the_images_own_nearest(both):
    draws, table = 3000, neighbors_table()
    index = torch.tensor([4, 9, 4, 29])
    batch = index.repeat_interleave(draws).repeat(2)
    drawn = DrawnNeighborGraph(both[0]).companions(batch, torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.int64
    for image, found in zip(index.tolist(), drawn[len(batch) // 2 :].view(len(index), draws), strict=True):
        counts = [int((found == j).sum()) for j in table[image].tolist()]
        assert sum(counts) == draws
        assert sum((c - draws / NEAR) ** 2 / (draws / NEAR) for c in counts) < 13.8  # chi-square, 2 degrees, p = 0.001


def test_the_same_generator_state_draws_the_same_neighbours(both):
    graph, index = DrawnNeighborGraph(both[0]), torch.arange(N)
    first, again, other = (graph.companions(index, torch.Generator().manual_seed(seed)).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_a_configuration_can_name_each_graph(both):
    parser = Parser()
    parser.add_argument("--graph", type=Adjacency)

    def made(name: str, **arguments):
        tree = {"graph": {"class_path": f"gan_sntg.graph.adjacency.{name}", "init_args": arguments}}
        return parser.instantiate(parser.parse_object(tree)).graph

    graph = made("TeacherGraph", kind="soft", merge=False)
    assert (graph.kind, graph.merge) == (Graph.soft, False)
    assert made("TeacherGraph").kind is Graph.hard and made("TeacherGraph").merge
    assert made("FixedGraph", file=both[1]).merge and isinstance(made("NeighborGraph", file=both[0]), NeighborGraph)


# --- batches drawn from the graph of neighbours: half of their pairs join them ----------------------------------------


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


def test_all_drawn_pairs_have_weight_1_in_the_loss_and_it_trains(graph, monkeypatch):
    seen, pair_loss = [], sntg.pair_loss
    monkeypatch.setattr(sntg, "pair_loss", lambda h, pairs, w, *others: seen.append(w) or pair_loss(h, pairs, w, *others))
    method = made("pi", graph=graph)
    for batch in prepared(method).epoch():
        assert all(value.isfinite() for value in method.step(batch, 1).values())
    assert all(len(w) == 10 and (w[:5] == 1).all() for w in seen) and len(seen) == 6


def test_without_the_graphs_weight_the_batches_are_those_of_the_streams(graph):
    found = []
    for options in {"graph": graph}, {}:
        method = made("pi", weight=0.0, **options)
        for batch in prepared(method).epoch():
            method.step(batch, 1)
        found.append(method.state_dict())
    assert_same(*found)


def test_labelled_pairs_of_a_gan_held_out_images_and_other_data_are_refused(graph, tmp_path, table):
    with pytest.raises(InputError, match="DrawnNeighborGraph pairs unlabelled images alone; leave one of them out"):
        gan(graph=graph, labeled=True)
    source = Squares()
    pool = Pool(source.train_x, source.train_y, source.train_y, torch.arange(50), lambda x: x, "cpu")
    with pytest.raises(InputError, match="leave --validation out"):
        made("pi", graph=graph).prepare(source, pool)
    write_neighbors(tmp_path / "knn.npz", "0" * 64, table)
    with pytest.raises(InputError, match=str(tmp_path / "knn.npz")):
        prepared(made("pi", graph=DrawnNeighborGraph(str(tmp_path / "knn.npz"))))
