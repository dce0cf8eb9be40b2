"""Reading of runs without their data, which their folders stand for, and as a start of others."""

import io
import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from jsonargparse import Namespace

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.normalization import Normalization
from gan_sntg.data.recorded import RecordedData, check_same_tests, facts_of, has_all_statistics, put_back_statistics
from gan_sntg.data.splits import Split, read_split
from gan_sntg.distributed import rank
from gan_sntg.errors import InputError, refusing
from gan_sntg.files.array_files import file_sha256, load_tensors
from gan_sntg.files.atomic import write_atomically
from gan_sntg.runs.build import RESTORE, RunModel, RunObjects, build, instantiate, opened, restore, say, source_of
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import RunOptions
from gan_sntg.runs.parsing import Parser
from gan_sntg.training import checkpoint
from gan_sntg.training.loop import Progress
from gan_sntg.training.method import Method
from gan_sntg.training.optim import check_finite, load_optimizer, parameters


def record_data(folder: RunFolder, parts: RunObjects) -> None:
    """Keep in the folder, once, the data's facts and the normalization's statistics.

    Raises InputError where a run goes on that cannot with the statistics of today.
    """
    normalization = parts.normalization
    if folder.data.exists() and type(normalization).resumed is not Normalization.resumed:
        with refusing(f"{folder.statistics} is damaged", "restore it from a copy, or delete data.json beside it"):
            normalization.resumed(load_tensors(folder.statistics))
    if folder.data.exists() or not has_all_statistics(normalization):
        return
    if normalization.statistics:
        buffer = io.BytesIO()
        torch.save({name: getattr(normalization, name).cpu() for name in normalization.statistics}, buffer)
        write_atomically(folder.statistics, buffer.getbuffer())
    write_atomically(folder.data, (json.dumps(asdict(facts_of(parts.source)), indent=1) + "\n").encode())


def load_model(run: str, device: str, root: str | None = None, which: str = "last") -> tuple[RunModel, Progress]:
    """As `load`, without the data. Of a folder that holds too little in place of them, they are read."""
    folder, path, parser, options = opened(run, device, root, which)
    recorded = folder.data.is_file()
    parts, progress = without_data(folder, parser, options) if recorded else with_data(folder, parser, options), Progress()
    restore(path, parts, progress, prepared=not recorded)
    return parts, progress


def without_data(folder: RunFolder, parser: Parser, options: Namespace) -> RunModel:
    """The networks of a run, freshly built for data of which the folder holds the facts."""
    options.data = Namespace(class_path=f"{RecordedData.__module__}.RecordedData", init_args=Namespace(file=str(folder.data)))
    own = RunOptions.of(options)
    source, normalization, method, place = instantiate(own, lambda: parser.objects(options))
    put_back_statistics(normalization, folder.statistics, source)
    method.seed(own.seed, place)
    split = read_split(folder.split)
    if split.sha256 != source.sha256:
        raise InputError(f"{folder.split} and {folder.data} are of different data; restore them from a copy of the run folder")
    return RunModel(source, split, normalization, method, place)


def with_data(folder: RunFolder, parser: Parser, options: Namespace) -> RunModel:
    """The objects of a run of an earlier version. Raises InputError that says why its data are read."""
    try:
        return build(parser, options, RESTORE)
    except InputError as error:
        raise InputError(f"{error}\n  ({folder.data}, which newer runs keep in place of their data, is missing)") from error


def tested_data(run: str, root: str | None, parts: RunModel) -> Dataset:
    """The data of a run as they are today. Raises InputError where their test images are others."""
    if not isinstance(parts.source, RecordedData):
        return parts.source
    _, _, _, options = opened(run, "cpu", root, "last")
    source = source_of(options)
    say(source.notes)
    check_same_tests(parts.source.facts, source)
    if source.sha256 != parts.source.sha256:
        print(f"the training images have changed since {Path(run)} was begun; its test images are as they were", file=sys.stderr)
    return source


def warm_start(method: Method, place: str, optimizers: bool, device: torch.device) -> dict:
    """Give a started method what another run's checkpoint holds; returns the record of it.

    place: a run folder, whose last checkpoint is read, or a checkpoint file. All that an optimizer moves must be there in its shape;
    averages, teachers and running means are taken where they fit, and otherwise begin anew, which is said on stderr. optimizers: whether
    their moments are taken too. Raises InputError.
    """
    state, file = checkpoint_of(Path(place), device)
    with checkpoint.fitting(file, "Give --from a run of the same networks"):
        own, theirs = method.state_dict(), state["method"]
        fits = {name: value for name, value in theirs.items() if name in own and same_kind(value, own[name])}
        trained = {id(p) for optimizer in method.optimizers.values() for p in parameters(optimizer)}
        if missing := [name for name, p in method.named_parameters() if id(p) in trained and name not in fits]:
            raise ValueError(f"{len(missing)} of the weights to train are not there in their shapes: {', '.join(missing[:3])}")
        method.load_state_dict(own | fits)
        for name, optimizer in method.optimizers.items() if optimizers else ():
            load_optimizer(optimizer, state["optimizers"][name])
        check_finite("the method", dict(method.named_parameters()))
    anew = sorted(set(own) - set(fits))
    if anew and rank() == 0:
        print(f"{file} has no {', '.join(anew[:5])}{' ...' if len(anew) > 5 else ''}; these begin anew", file=sys.stderr)
    about = {"from": place, "checkpoint": file.name, "sha256": file_sha256(file)}
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
