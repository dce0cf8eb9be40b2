"""Is every term of a run's loss alive, before hours go into it? `doctor`'s question, asked of the run itself, which it leaves as it was."""

import copy
import sys
from pathlib import Path

from jsonargparse import Namespace

from gan_sntg.commands.building import Parts
from gan_sntg.core import checkpoint
from gan_sntg.core.data.streams import Streams
from gan_sntg.core.engine import Progress
from gan_sntg.core.errors import UnhealthyError
from gan_sntg.core.execution import Plain, use
from gan_sntg.core.liveness import examine
from gan_sntg.core.replay import directly

IMAGES = 20  # of each kind in a step, where a run's own steps have more
STEPS = 2
MAY_BE = "it is dead", "its ramp does not rise"  # what is said of a term that may yet come to life ends so


def check_alive(parts: Parts, options: Namespace, out: Path) -> None:
    """Raise UnhealthyError where a term is not finite, or moves a network that it must not, past all ramps; speak of one that is dead.

    A dead one is no error here: a term with a threshold may have nothing to say of an untrained network, nor a ramp rise in a short run.
    """
    method, streams = parts.method, parts.streams
    before = copy.deepcopy(checkpoint.state_of(method, streams, Progress()))
    sizes = options.batch_size, options.labeled_batch_size or options.batch_size
    few = (IMAGES, IMAGES) if min(sizes) >= IMAGES else sizes
    small = Streams(streams.pool, few[0], options.seed, None, few[1], method.views)
    execution = method.execution
    use(Plain(), method)  # a compiled pass has one backward pass, not one a term
    try:
        with directly(method):
            faults = examine(method, small, options.epochs - 1, STEPS, options.precision).faults
    finally:
        use(execution, method)
        method.train()
        checkpoint.put_back(before, out, method, streams, Progress())
    for fault in [fault for fault in faults if fault.endswith(MAY_BE)]:
        print(f"{out}: {fault} (before training; if it stays so, the term does nothing)", file=sys.stderr)
    if worse := [fault for fault in faults if not fault.endswith(MAY_BE)]:
        raise UnhealthyError(f"{out} was not begun: {'; '.join(worse)}. Mend the configuration; --liveness false trains all the same")
