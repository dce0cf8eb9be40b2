"""Generators: one a purpose, and none hears of another or of the global one."""

import pytest
import torch

from gan_sntg.rng import preserve_generators, purpose_generator


def draw(seed: int, purpose: str) -> torch.Tensor:
    return torch.rand(8, generator=purpose_generator(seed, purpose))


def test_the_same_seed_and_purpose_draw_the_same_whatever_the_global_generator_does():
    torch.manual_seed(1)
    a = draw(0, "z")
    torch.manual_seed(2)
    torch.rand(3)
    assert torch.equal(draw(0, "z"), a)


def test_another_purpose_or_another_seed_draws_other_numbers():
    draws = [draw(seed, purpose) for seed in (0, 1, 10) for purpose in ("z", "noise", "graph", "0/z")]
    assert len({tuple(d.tolist()) for d in draws}) == len(draws)


def test_drawing_for_one_purpose_leaves_the_global_generator_where_it_was():
    before = torch.get_rng_state()
    draw(0, "z")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_generator_is_the_same_in_every_process():
    assert purpose_generator(0, "noise").initial_seed() == 40061743236567128


def test_negative_and_huge_seeds_are_seeds_too():
    assert not torch.equal(draw(-1, "z"), draw(2**80, "z"))


def test_what_is_drawn_within_preserved_leaves_the_generators_as_they_were():
    generators = {"a": purpose_generator(0, "a"), "b": purpose_generator(0, "b")}
    torch.rand(3, generator=generators["a"])
    expected = torch.rand(3, generator=purpose_generator(0, "b"))
    with pytest.raises(ZeroDivisionError), preserve_generators(generators):
        torch.rand(5, generator=generators["b"])
        raise ZeroDivisionError
    assert torch.equal(torch.rand(3, generator=generators["b"]), expected)
