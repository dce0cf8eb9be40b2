"""Objects that remember their constructor's arguments, to be written down as a configuration."""

import inspect
import sys
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from gan_sntg.errors import InputError


class Configurable:
    """Base of every class that a configuration may name."""

    known_by_hash = False  # whether arguments that cannot be written down may be left out of a configuration
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


def kinds(base: type) -> list[type]:
    """A class and all known classes that derive from it, each once."""
    found = [base]
    for kind in found:
        found += [below for below in kind.__subclasses__() if below not in found]
    return found


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

    Arguments in `linked`, which the data give, are left out. Raises InputError naming an argument that no configuration can hold.
    """
    if isinstance(made, Configurable):
        return {"class_path": class_path(type(made)), "init_args": arguments(made, linked)}
    if isinstance(made, Enum):
        return made.name
    if is_dataclass(made) and not isinstance(made, type):
        made = {own.name: getattr(made, own.name) for own in fields(made)}
    if isinstance(made, dict):
        return {name: configuration(value, linked) for name, value in made.items()}
    if isinstance(made, tuple | list):
        return [configuration(part, linked) for part in made]
    if isinstance(made, Path):
        return str(made)
    if made is None or isinstance(made, str | int | float | bool):
        return made
    raise TypeError(f"a {type(made).__name__}")


def arguments(made: Configurable, linked: tuple[str, ...]) -> dict:
    """The constructor's arguments of an object, each as a `configuration`."""
    (args, kwargs), signature, found = made._arguments, inspect.signature(type(made)), {}
    given = dict(signature.bind_partial(*args, **kwargs).arguments)
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            given |= given.pop(parameter.name, {})
    for name, value in given.items():
        if name in linked:
            continue
        try:
            found[name] = configuration(value, linked)
        except TypeError as error:
            if not made.known_by_hash:
                raise InputError(
                    f"{type(made).__name__}: its argument {name} is {error}, which a run folder cannot hold; give numbers, texts, lists "
                    "or objects of gan_sntg's classes, or make it in the constructor of a subclass"
                ) from error
    return found
