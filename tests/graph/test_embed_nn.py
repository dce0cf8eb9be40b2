"""EmbedNN: pixel neighbours and others embedded in h, logits or softmax of any host, against loops in float64."""

import pytest
import torch
from helpers.ladders import ladder
from helpers.method_factories import made, prepared
from helpers.tiny import Squares, UnitRange64, assert_same, gan, started, streams

from gan_sntg.data.loader import Batch, Pool
from gan_sntg.errors import InputError
from gan_sntg.graph import SNTG, AllPairs, Distance, Embedding, PoolNeighborGraph, contrastive, neighbors
from gan_sntg.networks.passes import drawing_from

OPTIONS = {"distance": Distance.euclidean, "margin": 0.5}
EMBEDDINGS = pytest.mark.parametrize("embed", list(Embedding))
K = 4


def graph() -> PoolNeighborGraph:
    return PoolNeighborGraph(K)


def pixel_neighbors(images: list[int]) -> dict[int, list[int]]:
    """The K nearest of each image among these, by squared distances of whole numbers and, where equal, by place."""
    x = Squares().train_x.flatten(1).long()
    others = {i: [j for j in images if j != i] for i in images}
    return {i: sorted(js, key=lambda j, i=i: (int((x[i] - x[j]).square().sum()), j))[:K] for i, js in others.items()}


def naive(e: torch.Tensor, index: torch.Tensor) -> float:
    """Mean of EmbedNN's loss over each first-half image with its neighbour, then over all pairs of the batch."""
    near, half = pixel_neighbors(list(range(60))), len(e) // 2
    pairs = [(i, i + half) for i in range(half)] + [(i, j) for i in range(len(e)) for j in range(i)]
    losses = []
    for i, j in pairs:
        a, b = int(index[i]), int(index[j])
        d = float((e[i] - e[j]).square().sum()) ** 0.5
        losses.append(d**2 if b in near[a] or a in near[b] else max(0.0, 0.5 - d) ** 2)
    return sum(losses) / len(losses)


def embedded(embed: Embedding, h: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    return {"hidden": h, "output": logits, "softmax": logits.exp() / logits.exp().sum(1, keepdim=True)}[embed.name].detach()


@EMBEDDINGS
@pytest.mark.parametrize(("name", "stream"), [("supervised", "mixed"), ("supervised", "two"), ("pi", "two"), ("vat", None)])
def test_the_term_of_a_discriminative_host_is_that_of_a_loop(name, stream, embed):
    own = {"stream": stream} if stream else {"epsilon": 1e-9}
    method = made(name, noise=0.0, graph=graph(), embed=embed, pairing=AllPairs(), **own, **OPTIONS)
    batch = next(iter(prepared(method, dtype=torch.float64, batch_size=12, labeled_batch_size=6).epoch()))
    found = method.passes(batch)
    at = slice(6 if stream == "two" else 0, None)  # the labelled images stand first
    e = embedded(embed, *method.net(found.view.x[at]))
    assert len(e) == 12 and found.labeled[1].ge(0).sum() >= (6 if stream != "mixed" else 0)
    torch.testing.assert_close(float(method.graph_term(found).detach()), naive(e, found.view.index[at]), rtol=1e-6, atol=1e-7)


@EMBEDDINGS
def test_the_term_of_a_gan_is_that_of_a_loop(embed):
    s = streams(normalization=UnitRange64)
    method = started(gan(dtype=torch.float64, graph=graph(), embed=embed, pairing=AllPairs(), weight=1.0, **OPTIONS), s)
    view = method.sntg.companions(next(iter(s.epoch())).unlabeled, s.pool, method.generators["graph"])
    with drawing_from(method.discriminator, method.generators["noise"]):
        h, logits = method.discriminator(view.x)
    found = method.graph_term([(view, h, logits)], 1)["d/graph"]
    torch.testing.assert_close(float(found.detach()), naive(embedded(embed, h, logits), view.index), rtol=1e-6, atol=1e-7)


def test_a_pair_solved_by_hand():
    d = torch.full((2,), 0.5, dtype=torch.float64, requires_grad=True)
    loss = contrastive(d, torch.tensor([1.0, 0.0], dtype=torch.float64), margin=1.0)
    (slope,) = torch.autograd.grad(loss.sum(), d)
    assert loss.tolist() == [0.25, 0.25] and slope.tolist() == [1, -1]


@EMBEDDINGS
def test_gradients_are_those_of_finite_differences(embed):
    g = torch.Generator().manual_seed(0)
    h, logits = (torch.randn(8, 3, generator=g, dtype=torch.float64, requires_grad=True) for _ in range(2))
    sntg, y = SNTG(1.0, embed=embed, **OPTIONS), torch.full((8,), -1)

    def term(h, logits):
        return sntg(sntg.embed(h, logits), torch.eye(8, dtype=torch.float64)[:, [0, 1, 2]], y, y, torch.Generator().manual_seed(0), True)

    assert torch.autograd.gradcheck(term, (h, logits))


@EMBEDDINGS
def test_the_last_layer_moves_where_the_output_is_embedded_alone(embed):
    method = made("supervised", graph=graph(), embed=embed, stream="two", distance=Distance.euclidean, margin=9.0)
    term = method.graph_term(method.passes(next(iter(prepared(method).epoch()))))
    first, last = torch.autograd.grad(term, [method.net.hidden[0].v, method.net.out.v], allow_unused=True)
    assert first.any() and (last is None) == (embed is Embedding.hidden)


@pytest.mark.parametrize("name", ["pi", "vat", "ladder"])
def test_images_of_the_labelled_stream_stay_and_the_others_get_neighbours(name):
    method = ladder() if name == "ladder" else made(name, **({"stream": "two"} if name == "pi" else {}))
    method.sntg.graph = graph()
    batch = next(iter(prepared(method, batch_size=12, labeled_batch_size=6).epoch()))
    assert torch.equal(method.view(Batch(labeled=batch.labeled)).index, batch.labeled.index)
    index = method.view(Batch(unlabeled=batch.unlabeled)).index.tolist()
    assert all(j in pixel_neighbors(list(range(60)))[i] for i, j in zip(index[:6], index[6:], strict=True))
    assert all(value.isfinite() for value in method.step(batch, 1).values())


def test_with_drawn_neighbours_halves_are_of_the_unlabelled_stream_alone():
    made("pi", stream="two", graph=graph()).check(32, 5)
    with pytest.raises(InputError, match="even batch size"):
        made("pi", stream="two", graph=graph()).check(33, 5)


def test_neighbours_are_found_within_the_pool_so_that_validation_images_stay_out():
    source, inside = Squares(), [i for i in range(60) if i % 5]
    made_of, near = graph(), pixel_neighbors(inside)
    made_of.prepare(Pool(source.train_x, source.train_y, source.train_y, torch.tensor(inside), lambda x: x, "cpu"))
    assert made_of.table.tolist() == [near.get(i, [-1] * K) for i in range(60)]
    with pytest.raises(InputError, match=r"give k in 1\.\.59"):
        prepared(made("pi", graph=PoolNeighborGraph(60)))
    prepared(made("pi", graph=PoolNeighborGraph(60), weight=0.0))  # finds none


def test_neighbours_are_found_once_for_one_pool_and_k(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_SNTG_CACHE", str(tmp_path))
    found, found_of, tables = [], neighbors._nearest_of, []
    monkeypatch.setattr(neighbors, "_nearest_of", lambda *of: found.append(of[2]) or found_of(*of))
    for k in (K, K, 3):
        prepared(made("pi", graph=(of := PoolNeighborGraph(k))))
        tables.append(of.table)
    assert found == [K, 3] and torch.equal(tables[0], tables[1]) and torch.equal(tables[0][:, :3], tables[2])


@pytest.mark.parametrize("stream", ["mixed", "two"])
def test_without_weight_it_is_the_labels_alone_bit_for_bit(stream):
    found = []
    for options in {}, {"graph": graph(), "embed": Embedding.output, **OPTIONS}:
        method = made("supervised", weight=0.0, stream=stream, **options)
        for batch in prepared(method).epoch():
            method.step(batch, 1)
        found.append(method.state_dict() | {name: g.get_state() for name, g in method.generators.items()})
    assert_same(*found)
