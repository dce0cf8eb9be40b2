"""Which runs do --seeds and --data_seeds stand for?"""

import re
from pathlib import Path

from jsonargparse import Namespace

from gan_sntg.core.errors import InputError

MOST = 1000  # runs of one command


def spread(options: Namespace) -> list[Namespace]:
    """The options of each run that `seeds` and `data_seeds` ask for; without them, those of one. Raises InputError."""
    seeds, data_seeds = options.pop("seeds", None), options.pop("data_seeds", None)
    if seeds is None:
        if data_seeds is not None:
            raise InputError("--data_seeds goes with --seeds; for one run give --data_seed")
        return [options]
    for name, given in ("seed", options.seed), ("data_seed", options.data_seed if data_seeds else 0):
        if given:
            raise InputError(f"--{name} {given} is given beside --{name}s; leave one of them out")
    numbers = whole_numbers("seeds", seeds)
    paired = whole_numbers("data_seeds", data_seeds) if data_seeds is not None else [options.data_seed] * len(numbers)
    if len(paired) != len(numbers):
        raise InputError(f"--seeds gives {len(numbers)} and --data_seeds {len(paired)}; give one for each run")
    if len(set(numbers)) < len(numbers):
        raise InputError(f"--seeds is {seeds!r}: one is there twice; give each once")
    if options.out and (Path(options.out) / "config.yaml").exists():
        raise InputError(f"{options.out} is a run folder; with --seeds, --out is the folder that those of the runs stand in")
    return [alone(options, seed, data_seed) for seed, data_seed in zip(numbers, paired, strict=True)]


def alone(options: Namespace, seed: int, data_seed: int) -> Namespace:
    """Those of the run of one seed."""
    own = options.clone()
    own.seed, own.data_seed = seed, data_seed
    own.out = str(Path(options.out) / str(seed)) if options.out else None
    return own


def whole_numbers(name: str, text: str) -> list[int]:
    """Those of "0..9", "0,3,5" or "0..2,7". Raises InputError."""
    numbers = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,19})(?:\.\.(\d{1,19}))?\s*", part, re.ASCII)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not first <= last < 2**63:
            raise InputError(f"--{name} is {text!r}; give whole numbers from 0 to 2^63 - 1, such as 0..9 or 0,3,5")
        if len(numbers) + last - first >= MOST:
            raise InputError(f"--{name} is {text!r}, more than {MOST}; give fewer")
        numbers += range(first, last + 1)
    return numbers
