"""How fast can this machine be? Its rate of matrix products in each precision and of copying memory, measured."""

import torch

from gan_sntg.core.precision import Precision
from gan_sntg.core.stopwatch import seconds_a_call

REPEATS = 5


def best(call, device: torch.device) -> float:
    """Seconds of the fastest of a few calls, after one that does not count: a ceiling is what can be reached."""
    call()
    return min(seconds_a_call(call, 1, device) for _ in range(REPEATS))


def product_rate(precision: Precision, device: torch.device) -> float:
    """FLOP/s of the product of two square matrices in the precision: 2 n^3 operations, n = 2048, on a GPU 8192."""
    n = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(n, n, device=device, dtype=getattr(torch, precision.value)) for _ in range(2))
    return 2 * n**3 / best(lambda: a @ b, device)


def copy_rate(device: torch.device) -> float:
    """Bytes a second read and written in copying 256 MB."""
    x = torch.ones(2**28, dtype=torch.uint8, device=device)
    y = torch.empty_like(x)
    return 2 * x.numel() / best(lambda: y.copy_(x), device)


def ceilings(device: torch.device) -> dict[str, float]:
    """FLOP/s of "products <precision>", and bytes/s of "copy"."""
    return {f"products {p.value}": product_rate(p, device) for p in Precision} | {"copy": copy_rate(device)}
