"""Random generators, one per purpose, all derived from the run's seed."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def purpose_generator(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator for one purpose, whose draws never shift another purpose's numbers."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:7], "big"))


STATE_BYTES = 16, torch.Generator().get_state().numel()  # of a generator on CUDA (seed and offset), and on a CPU


def of_another_device(generator: torch.Generator, state: torch.Tensor) -> bool:
    """Whether a state is that of a generator on another kind of device, which cannot be put back."""
    here, there = generator.get_state().numel(), state.numel()
    return state.dtype == torch.uint8 and here != there and {here, there} <= set(STATE_BYTES)


def go_on(generator: torch.Generator, state: torch.Tensor, step: int) -> None:
    """Put a state back, or, for that of another kind of device, one by seed, purpose and step."""
    if of_another_device(generator, state):
        generator.set_state(purpose_generator(generator.initial_seed(), f"from step {step}", generator.device).get_state())
    else:
        generator.set_state(state.cpu())


@contextmanager
def preserve_generators(generators: dict[str, torch.Generator]) -> Iterator[None]:
    """Restore the generators' states on leaving."""
    states = {name: generator.get_state() for name, generator in generators.items()}
    try:
        yield
    finally:
        for name, generator in generators.items():
            generator.set_state(states[name])
