"""How is a schedule shortened? Every length of time times a factor, and averages that forget as much sooner; rates and batches stay.

Of a run at scale s: `epochs` and all that ends in `_epochs` are s times as long (whole numbers rounded, at least 1; 0 and none stay),
and the decay d of an average taken each step becomes 1 - (1 - d) / s, whose memory is s times as many steps. Temporal ensembling's
alpha, which counts epochs, Adam's betas and the memory of running statistics stay.
"""

import math

from gan_sntg.core.errors import InputError

DECAYS = ("decay", "average_decay", "early_decay")


def shortened(tree: dict, scale: float, key: str = "") -> dict[str, str]:
    """{dotted option: value} of what changes in a configuration's tree. Raises InputError where an average would remember nothing."""
    found = {}
    for name, value in tree.items():
        path = f"{key}.{name}".lstrip(".")
        if isinstance(value, dict):
            found |= shortened(value, scale, path)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            new = scaled(name, value, scale, path)
            found |= {path: repr(new)} if new != value else {}
    return found


def scaled(name: str, value: int | float, scale: float, path: str) -> int | float:
    """The value of one option."""
    if name == "epochs" or name.endswith("_epochs"):
        return length(value, scale)
    return decay(value, scale, path) if name in DECAYS else value


def length(epochs: int | float, scale: float) -> int | float:
    """Whole numbers stay whole; none and endless ones stay as they are."""
    if not epochs or math.isinf(epochs):
        return epochs
    return max(1, round(epochs * scale)) if isinstance(epochs, int) else round(epochs * scale, 10)


def decay(value: float, scale: float, path: str) -> float:
    """1 - (1 - value) / scale. Raises InputError where that is below 0."""
    found = round(1 - (1 - value) / scale, 10)
    if found < 0:
        raise InputError(f"--scale {scale:g}: {path} {value:g} would be {found:g}; give a larger scale, at least {1 - value:g}")
    return found
