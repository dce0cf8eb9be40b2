"""Batches that a thread reads and copies to the device before they are asked for."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Self

import torch
from torch import Tensor

from gan_sntg.distributed import own_rows
from gan_sntg.sampling.samplers import IndexSampler

AHEAD = 2  # batches that are read before they are asked for
Drawn = dict[str, tuple[Tensor, Tensor]]  # by stream: indices and rows, on the device


class ReadAhead:
    """The next batches of some streams, in the order that the streams themselves have.

    The thread draws from copies of the streams, which move when their batch is taken: their state is ever that of the step that is done.
    What fails in the thread is raised where the batch is asked for. Leaving ends the thread.
    """

    def __init__(self, streams: dict[str, IndexSampler], steps: int, rows: Callable[[Tensor], Tensor], device: torch.device):
        """steps: batches asked for, at most. rows: of an index on the CPU, on the CPU."""
        self.left, self.rows, self.device = steps, rows, device
        self.streams = {name: stream.fork() for name, stream in streams.items()}
        self.waiting: deque[Future] = deque()
        self.cuda = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __enter__(self) -> Self:
        if self.cuda:
            self.cuda.wait_stream(torch.cuda.current_stream(self.device))
        self.thread = ThreadPoolExecutor(1, "read ahead")
        for _ in range(AHEAD):
            self.ask()
        return self

    def __exit__(self, *_) -> None:
        self.thread.shutdown(cancel_futures=True)

    def ask(self) -> None:
        """Have one more batch read, if there is one."""
        if self.left:
            self.left -= 1
            self.waiting.append(self.thread.submit(self.read))

    def read(self) -> tuple[Drawn, torch.Event | None]:
        """One batch, in the thread, and what says that it is on the GPU."""
        with torch.cuda.stream(self.cuda):  # one of its own, so that it does not wait for what is trained; nothing on a CPU
            indices = {name: own_rows(stream.next()) for name, stream in self.streams.items()}
            rows = {name: self.rows(index.cpu()) for name, index in indices.items()}
            if self.cuda is None:
                return {name: (index, rows[name]) for name, index in indices.items()}, None
            rows = {name: x.pin_memory().to(self.device, non_blocking=True) for name, x in rows.items()}
            return {name: (index, rows[name]) for name, index in indices.items()}, self.cuda.record_event()

    def next(self, drawn: dict[str, Tensor]) -> Drawn:
        """Indices and rows of the batch that is next; drawn: its indices by the streams themselves."""
        self.ask()
        found, ready = self.waiting.popleft().result()
        if ready is None:
            assert all(torch.equal(drawn[name], index) for name, (index, _) in found.items()), "a stream was moved within an epoch"
            return found
        here = torch.cuda.current_stream(self.device)
        here.wait_event(ready)
        for part in chain(*found.values()):
            part.record_stream(here)
        return found
