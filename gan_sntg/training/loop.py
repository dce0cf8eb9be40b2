"""The training loop and its progress."""

import math
from collections.abc import Callable

from gan_sntg.data.loader import Loader
from gan_sntg.networks.passes import Precision
from gan_sntg.training.meter import Meter
from gan_sntg.training.method import Method
from gan_sntg.training.multi_seed import StackedStreams


class Progress:
    """Progress of a run. rate_scale: of the learning rate; rolled_back: the step left, -1 for none."""

    def __init__(self):
        self.epoch, self.step, self.seconds, self.best = 0, 0, 0.0, math.inf
        self.rate_scale, self.rolled_back = 1.0, -1

    def load_state_dict(self, state: dict[str, int | float]) -> None:
        """Restore the numbers, missing ones as at the start. Raises ValueError where one is invalid."""
        state = vars(Progress()) | state
        kinds = {name: type(value) for name, value in vars(Progress()).items()}
        large = [name for name, value in state.items() if not 0 <= value < 2**63 and name != "rolled_back"]
        if {name: type(value) for name, value in state.items()} != kinds or large not in ([], ["best"]):
            raise ValueError("progress is not epochs, steps and seconds")
        vars(self).update(state)


def fit(
    method: Method,
    streams: Loader | StackedStreams,
    epochs: int,
    interval_epochs: int,
    progress: Progress,
    on_step: Callable[[], None],
    on_interval: Callable[[], None],
    precision: Precision = Precision.float32,
    meter: Meter | None = None,
) -> None:
    """Train from where `progress` stands to `epochs`.

    `on_step` is called after each step, and may stop training by what it raises: all that the rest depends on is then in the state of
    method, streams, progress and meter. `on_interval` is called each `interval_epochs` and at the end: it reads the meter, evaluates,
    records and saves. Raises NonFiniteError before such a call where a term is not finite.
    """
    meter, device = meter or Meter(), streams.pool.device
    while progress.epoch < epochs:
        for batch in streams.epoch(progress.step - progress.epoch * streams.steps_per_epoch):
            with precision(device):
                terms = method.step(batch, progress.epoch)
            meter.add(terms, progress.step)
            progress.step += 1
            on_step()
        method.end_epoch()
        progress.epoch += 1
        if progress.epoch % interval_epochs == 0 or progress.epoch == epochs:
            meter.check(streams.steps_per_epoch)
            method.before_evaluation()
            on_interval()
