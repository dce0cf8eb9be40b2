"""Streams: every image once a pass, labels hidden where they should be, and an order that can be put down and taken up."""

import io

import pytest
import torch
import yaml
from helpers.tiny import Squares, assert_same, streams

from gan_sntg import distributed
from gan_sntg.data.loader import UNLABELED, IndexSampler, LabeledSampling, Loader, Pool
from gan_sntg.data.normalization import UnitRange
from gan_sntg.errors import InputError
from gan_sntg.rng import purpose_generator
from gan_sntg.training.multi_seed import StackedStreams


def stream(n: int, batch_size: int, drop_last: bool, seed: int = 0) -> IndexSampler:
    return IndexSampler(100 + torch.arange(n), batch_size, purpose_generator(seed, "order"), drop_last)


def indices(from_streams, epochs: int = 1) -> list[list[list[int]]]:
    return [[view.index.tolist() for view in batch] for _ in range(epochs) for batch in from_streams.epoch()]


@pytest.mark.parametrize(("n", "batch_size"), [(12, 4), (12, 5), (7, 7)])
def test_a_pass_over_the_pool_shows_no_image_twice_and_drops_only_the_rest(n, batch_size):
    s = stream(n, batch_size, drop_last=True)
    for _ in range(3):
        seen = torch.cat([s.next() for _ in range(n // batch_size)]).tolist()
        assert len(set(seen)) == len(seen) == n - n % batch_size
        assert set(seen) <= set(range(100, 100 + n))


@pytest.mark.parametrize(("n", "batch_size"), [(4, 10), (6, 4), (5, 5), (1, 3)])
def test_labels_fewer_than_a_batch_are_repeated_evenly(n, batch_size):
    s = stream(n, batch_size, drop_last=False)
    draws = torch.cat([s.next() for _ in range(n)])
    assert torch.bincount(draws - 100, minlength=n).tolist() == [batch_size] * n
    for k in range(0, len(draws), n):
        assert len(draws[k : k + n].unique()) == n


def test_every_pass_has_an_order_of_its_own():
    s = stream(50, 50, drop_last=True)
    orders = [s.next().tolist() for _ in range(4)]
    assert len({tuple(order) for order in orders + [sorted(orders[0])]}) == 5


def test_the_same_seed_gives_the_same_batches_and_another_seed_others():
    assert indices(streams(seed=1), 2) == indices(streams(seed=1), 2)
    assert indices(streams(seed=1)) != indices(streams(seed=2))


def test_the_generators_batches_are_an_order_independent_of_the_discriminators():
    labeled, unlabeled, unlabeled_g = zip(*indices(streams()), strict=True)
    assert unlabeled != unlabeled_g
    assert sorted(sum(unlabeled, [])) == sorted(sum(unlabeled_g, [])) == list(range(60))
    assert len(set(sum(labeled, []))) == 6


def test_a_label_is_shown_where_it_is_known_and_nowhere_else():
    source, from_streams = Squares(), streams(labels=6)
    known = set(from_streams.pool.labeled.tolist())
    for batch in from_streams.epoch():
        assert torch.equal(batch.labeled.y, source.train_y[batch.labeled.index])
        for view in batch.unlabeled, batch.unlabeled_g:
            expected = [int(source.train_y[i]) if i in known else UNLABELED for i in view.index.tolist()]
            assert view.y.tolist() == expected and UNLABELED in expected


def test_the_set_stays_uint8_and_a_view_is_its_images_scaled():
    source, from_streams = Squares(), streams()
    assert from_streams.pool.x.dtype == torch.uint8
    view = next(from_streams.epoch()).unlabeled
    torch.testing.assert_close(view.x, source.train_x[view.index].float() / 255)


def test_an_epoch_is_one_pass_or_the_steps_that_were_asked_for():
    wide = streams(batch_size=25)
    for batches in indices(wide), indices(wide), indices(wide):
        assert len(batches) == 2 and len(set(sum((unlabeled for _, unlabeled, _ in batches), []))) == 50  # none is shown twice
    short = streams()
    short.steps_per_epoch = 3
    first, second = indices(short), indices(short)
    assert len(first) == 3
    assert sorted(sum((unlabeled for _, unlabeled, _ in first + second), [])) == list(range(60))


@pytest.mark.parametrize("steps", [0, 2, 6, 9])
def test_streams_go_on_exactly_where_their_state_was_taken(steps):
    whole = indices(streams(batch_size=9))
    a, b, buffer = streams(batch_size=9), streams(batch_size=9, seed=5), io.BytesIO()
    a.steps_per_epoch = steps
    before = indices(a)
    torch.save(a.state_dict(), buffer)
    buffer.seek(0)
    b.load_state_dict(torch.load(buffer, weights_only=True))
    a.steps_per_epoch = b.steps_per_epoch = 20
    after = indices(b)
    assert after == indices(a)
    assert (before + after)[: len(whole)] == whole


def test_an_example_is_the_same_whenever_asked_for_and_moves_no_stream():
    a, b = streams(), streams()
    first = a.example(20, "telemetry")
    a_batches = indices(a)
    assert a_batches == indices(b)
    assert_same(tuple(first), tuple(a.example(20, "telemetry")))
    assert first.unlabeled.index.tolist() != a.example(20, "start").unlabeled.index.tolist()
    assert len(first.unlabeled.index.unique()) == 20
    assert len(a.example(1000, "telemetry").unlabeled.x) == 60


@pytest.mark.parametrize("batch_size", [0, -1, 61])
def test_a_batch_that_the_pool_cannot_fill_is_refused(batch_size):
    with pytest.raises(InputError, match=f"a batch of {batch_size} cannot be drawn from 60 unlabelled images; choose batch_size in 1..60"):
        streams(batch_size=batch_size)


def test_views_that_are_not_asked_for_are_not_drawn_and_leave_the_others_as_they_were():
    whole = list(streams().epoch())
    s = Loader(streams().pool, 10, seed=0, views=("unlabeled",))
    for batch, other in zip(s.epoch(), whole, strict=True):
        assert batch.labeled is None and batch.unlabeled_g is None
        assert_same(batch.unlabeled._asdict(), other.unlabeled._asdict())
    assert set(s.state_dict()) == {"unlabeled"}


def test_labelled_images_may_come_in_another_number():
    s = Loader(streams().pool, 10, seed=0, labeled_batch_size=3)
    batch = next(iter(s.epoch()))
    assert [len(view.y) for view in batch] == [3, 10, 10] and s.steps_per_epoch == 6


# --- batches of labelled images, of which each class has its share ------------------------------------------------------


def balanced(counts: list[int], batch_size: int, seed: int = 0) -> Loader:
    """A loader of 60 unlabelled images, and so many labelled ones of each class among as many more."""
    y = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    y = torch.cat([y, torch.full((60,), UNLABELED)])[torch.randperm(len(y) + 60, generator=torch.Generator().manual_seed(1))]
    pool = Pool(torch.zeros(len(y), 1, 4, 4, dtype=torch.uint8), y, y, torch.arange(len(y)), UnitRange(), "cpu")
    return Loader(pool, 20, seed, None, batch_size, labeled_sampling=LabeledSampling.class_balanced)


COUNTS = [([50, 2], 20), ([2, 50], 7), ([50, 2, 5], 20), ([9, 9, 9, 9], 8), ([1, 3, 0, 6, 2, 40], 3), ([4], 6), ([1, 1, 1], 1)]


@pytest.mark.parametrize(("counts", "batch_size"), COUNTS, ids=str)
def test_balanced_batches_have_as_many_of_a_rare_class_as_of_a_common_one(counts, batch_size):
    s, k = balanced(counts, batch_size), sum(count > 0 for count in counts)
    for _ in range(3):
        drawn = torch.stack([s.pool.y[s.streams["labeled"].next()].bincount(minlength=len(counts)) for _ in range(k)])
        drawn = drawn[:, torch.tensor(counts) > 0]
        assert (drawn.sum(1) == batch_size).all() and (drawn.amax(1) - drawn.amin(1) <= 1).all()
        assert drawn.sum(0).tolist() == [batch_size] * k


@pytest.mark.parametrize(("counts", "batch_size"), COUNTS, ids=str)
def test_within_a_class_balanced_batches_go_through_its_images_permutation_after_permutation(counts, batch_size):
    s, orders = balanced(counts, batch_size), set()
    drawn = torch.cat([s.streams["labeled"].next() for _ in range(40)])
    for c in (c for c, count in enumerate(counts) if count):
        own, every = drawn[s.pool.y[drawn] == c].tolist(), (s.pool.y == c).nonzero().flatten().tolist()
        *passes, last = [own[i : i + counts[c]] for i in range(0, len(own), counts[c])]
        assert all(sorted(one) == every for one in passes) and len({*last}) == len(last)
        orders |= {tuple(one) for one in passes} if counts[c] > 2 else set()
    assert len(orders) > 1 or max(counts) < 3


def test_balanced_batches_are_shuffled_and_differ_by_seed_while_the_others_stay_as_they_are():
    batches = [next(balanced([50, 2, 5], 30, seed).epoch()) for seed in (0, 0, 1)]
    assert_same(tuple(batches[0]), tuple(batches[1]))
    assert not torch.equal(batches[0].labeled.index, batches[2].labeled.index)
    y = batches[0].labeled.y
    assert (y[:15].bincount(minlength=3) > 0).all() and not torch.equal(y, y.sort().values) and len({*y[::3].tolist()}) > 1
    plain = next(Loader(balanced([50, 2, 5], 30).pool, 20, 0, None, 30).epoch())
    assert_same(tuple(plain[1:]), tuple(batches[0][1:]))


@pytest.mark.parametrize("steps", range(8))
def test_balanced_streams_go_on_exactly_where_their_state_was_taken(steps):
    a, b, buffer = balanced([50, 2, 5], 7), balanced([50, 2, 5], 7, seed=5), io.BytesIO()
    for _ in range(steps):
        a.streams["labeled"].next()
    torch.save(a.state_dict(), buffer)
    buffer.seek(0)
    b.load_state_dict(torch.load(buffer, weights_only=True))
    assert indices(b, 3) == indices(a, 3)
    with pytest.raises(ValueError):
        balanced([50, 2, 5, 3], 7).load_state_dict(a.state_dict())


def test_shuffled_batches_are_those_of_earlier_versions_to_the_bit():
    s = streams()
    order = purpose_generator(0, "order/labeled")
    expected = torch.cat([s.pool.labeled[torch.randperm(6, generator=order)] for _ in range(5)]).view(3, 10)
    assert [batch.labeled.index.tolist() for batch, _ in zip(s.epoch(), range(3), strict=False)] == expected.tolist()
    assert set(s.state_dict()["labeled"]) == {"order", "position", "generator"}


def test_ranks_and_stacked_seeds_read_balanced_batches_as_one_process_and_one_seed_do(monkeypatch):
    stacked = next(StackedStreams([balanced([50, 2, 5], 8, seed) for seed in (0, 1)]).epoch())
    whole = [next(balanced([50, 2, 5], 8, seed).epoch()).labeled for seed in (0, 1)]
    assert_same(tuple(stacked.labeled), tuple(torch.stack(parts) for parts in zip(*whole, strict=True)))
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    for rank in 0, 1:
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        assert torch.equal(next(balanced([50, 2, 5], 8).epoch()).labeled.index, whole[0].index[rank::2])


def test_a_method_of_one_stream_cannot_balance_its_classes(tiny_tree, labels_alone, refused, command, tmp_path):
    said = "labeled_sampling is class_balanced, but this method draws no labelled batches: its one stream is of all images"
    with pytest.raises(InputError, match=said):
        Loader(streams().pool, 10, 0, views=("unlabeled",), labeled_sampling=LabeledSampling.class_balanced)
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tiny_tree() | {"method": labels_alone(), "labeled_sampling": "class_balanced"}))
    refused(["train", "--config", "a.yaml", "--out", "run", "--method.stream", "mixed"], said, "give --method.stream two, or leave")
    assert command("train", "--config", "a.yaml", "--out", "run", "--epochs", 1).status == 0
