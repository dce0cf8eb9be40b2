"""Generative semi-supervised learning: feature-matching GAN with Smooth Neighbors on Teacher Graphs.

    data = gan_sntg.data.Digits()
    run = gan_sntg.train(method, data, labels=20, epochs=150, out="runs/a")
    run.test_error, run.predict(images), run.sample(64)

Rooms are imported when they are first named: `gan_sntg.methods`, `gan_sntg.graph` and so on.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_sntg import data, evaluation, export, graph, losses, methods, networks, schedules, training
    from gan_sntg.runs.run import TrainedRun, load_run, train

__version__ = "0.2.0"
RUNS = ["TrainedRun", "load_run", "train"]
__all__ = ["data", "evaluation", "export", "graph", "losses", "methods", "networks", "schedules", "training"]
__all__ += ["TrainedRun", "load_run", "train"]


def __getattr__(name: str) -> Any:
    """A room, or a name of the Python interface."""
    if name in RUNS:
        return getattr(import_module("gan_sntg.runs.run"), name)
    if name in __all__:
        return import_module(f"gan_sntg.{name}")
    raise AttributeError(f"module 'gan_sntg' has no attribute {name!r}")
