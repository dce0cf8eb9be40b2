"""Reading of runs without their data: what their folders hold in place of them."""

import io
import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from jsonargparse import Namespace

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.recorded import RecordedData, check_same_tests, facts_of, has_all_statistics, put_back_statistics
from gan_sntg.data.splits import read_split
from gan_sntg.errors import InputError
from gan_sntg.files.atomic import write_atomically
from gan_sntg.runs.build import RESTORE, RunModel, RunObjects, build, instantiate, opened, restore, say, source_of
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import RunOptions
from gan_sntg.runs.parsing import Parser
from gan_sntg.training.loop import Progress


def record_data(folder: RunFolder, parts: RunObjects) -> None:
    """Keep in the folder, once, the data's facts and the normalization's statistics."""
    normalization = parts.normalization
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
