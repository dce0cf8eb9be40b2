"""Objects that remember their constructor's arguments, to be written down as a configuration."""

import inspect
import sys
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any


class Configurable:
    """Base of every class that a configuration may name."""

    _arguments: tuple[tuple, dict] = ((), {})

    def __new__(cls, *args, **kwargs):
        """The object, not yet initialised, with its constructor's arguments."""
        made = super().__new__(cls)
        object.__setattr__(made, "_arguments", (args, kwargs))
        return made


class Choice(Enum):
    """Base of choices between functions (`member`s): a member is called as its function."""

    def __call__(self, *args: Any) -> Any:
        """The value of the function of the same name."""
        return self.value(*args)


def class_path(kind: type) -> str:
    """The shortest dotted path to a class: by its room, where that exports it."""
    parts = kind.__module__.split(".")
    for k in range(1, len(parts)):
        module = ".".join(parts[:k])
        if getattr(sys.modules.get(module), kind.__name__, None) is kind:
            return f"{module}.{kind.__name__}"
    return f"{kind.__module__}.{kind.__qualname__}"


def configuration(made: Any, linked: tuple[str, ...] = ()) -> Any:
    """An object as a tree of options: {class_path, init_args} of a `Configurable`, else plain values.

    Arguments in `linked`, which the data give, and those that no configuration can hold (tensors, functions) are left out.
    """
    if isinstance(made, Configurable):
        args, kwargs = made._arguments
        signature = inspect.signature(type(made))
        kinds = {name: parameter.kind for name, parameter in signature.parameters.items()}
        given = {}
        for name, value in signature.bind_partial(*args, **kwargs).arguments.items():
            if kinds[name] is not inspect.Parameter.VAR_POSITIONAL:
                given |= value if kinds[name] is inspect.Parameter.VAR_KEYWORD else {name: value}
        trees = {name: configuration(value, linked) for name, value in given.items() if name not in linked}
        return {"class_path": class_path(type(made)), "init_args": {name: tree for name, tree in trees.items() if tree is not Ellipsis}}
    if isinstance(made, Enum):
        return made.name
    if is_dataclass(made) and not isinstance(made, type):
        return asdict(made)
    if isinstance(made, tuple | list):
        return [configuration(part, linked) for part in made]
    if isinstance(made, Path):
        return str(made)
    return made if made is None or isinstance(made, str | int | float | bool | dict) else ...
