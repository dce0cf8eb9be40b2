"""Random generators, one per purpose, all derived from the run's seed."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def purpose_generator(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own for each purpose, so that what one purpose draws never shifts another's numbers."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:7], "big"))


@contextmanager
def preserved(generators: dict[str, torch.Generator]) -> Iterator[None]:
    """What is drawn within it leaves the generators as they were."""
    states = {name: generator.get_state() for name, generator in generators.items()}
    try:
        yield
    finally:
        for name, generator in generators.items():
            generator.set_state(states[name])
