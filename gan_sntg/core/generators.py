"""Where does randomness come from? One torch generator a purpose, all derived from the run's seed."""

import hashlib

import torch


def purpose_generator(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own for each purpose, so that what one purpose draws never shifts another's numbers."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:7], "big"))
