"""Start of a run from the weights and averages of another run."""

import hashlib
import sys
from pathlib import Path

import torch

from gan_sntg.data.splits import Split
from gan_sntg.distributed import rank
from gan_sntg.errors import InputError, first_line
from gan_sntg.runs.folder import RunFolder
from gan_sntg.training import checkpoint
from gan_sntg.training.method import Method
from gan_sntg.training.optim import check_finite, load_optimizer, parameters


def warm_start(method: Method, place: str, optimizers: bool, device: torch.device) -> dict:
    """Give a started method what another run's checkpoint holds; returns the record of it.

    place: a run folder, whose last checkpoint is read, or a checkpoint file. All that an optimizer moves must be there in its shape;
    averages, teachers and running means are taken where they fit, and otherwise begin anew, which is said on stderr. optimizers: whether
    their moments are taken too. Raises InputError.
    """
    state, file = checkpoint_of(Path(place), device)
    try:
        own, theirs = method.state_dict(), state["method"]
        fits = {name: value for name, value in theirs.items() if name in own and same_kind(value, own[name])}
        trained = {id(p) for optimizer in method.optimizers.values() for p in parameters(optimizer)}
        if missing := [name for name, p in method.named_parameters() if id(p) in trained and name not in fits]:
            raise ValueError(f"{len(missing)} of the weights to train are not there in their shapes: {', '.join(missing[:3])}")
        method.load_state_dict(own | fits)
        for name, optimizer in method.optimizers.items() if optimizers else ():
            load_optimizer(optimizer, state["optimizers"][name])
        check_finite("the method", dict(method.named_parameters()))
    except (KeyError, TypeError, RuntimeError, ValueError, AttributeError) as error:
        reason = first_line(error)
        raise InputError(f"{file} has not the weights of this method ({reason}); give a --from of the same networks") from error
    anew = sorted(set(own) - set(fits))
    if anew and rank() == 0:
        print(f"{file} has no {', '.join(anew[:5])}{' ...' if len(anew) > 5 else ''}; these begin anew", file=sys.stderr)
    about = {"from": place, "checkpoint": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    return about | {"epoch": state["progress"]["epoch"], "optimizers": optimizers, "anew": anew}


def checkpoint_of(place: Path, device: torch.device) -> tuple[dict, Path]:
    """State and file of a run folder's newest checkpoint, or of a checkpoint file. Raises InputError."""
    if place.is_file():
        return checkpoint.read(place, device), place
    folder = RunFolder(place)
    folder.check_made()
    return checkpoint.newest(folder.checkpoint, device)


def check_labels(place: str, split: Split) -> None:
    """Say on stderr where a run that holds images out starts from one that had other labels."""
    folder = Path(place).parents[1] if Path(place).is_file() else Path(place)
    earlier = RunFolder(folder).split
    if split.validation and rank() == 0 and earlier.is_file() and earlier.read_text() != split.text():
        print(
            f"{folder} was trained with another split: it may have seen the labels of images that this run holds out, whose error then is "
            f"too low. Add --split {earlier} to have the same",
            file=sys.stderr,
        )


def same_kind(value, own) -> bool:
    """Whether two entries of a state are tensors of one shape and type, or no tensors."""
    if isinstance(value, torch.Tensor) and isinstance(own, torch.Tensor):
        return value.shape == own.shape and value.dtype == own.dtype
    return type(value) is type(own)
