"""Runs of one or several seeds by one command, and what is said of them first."""

import os
import platform
import re
import sys
from functools import partial
from math import isfinite
from pathlib import Path

import torch
import yaml
from jsonargparse import Namespace

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.image_folder import ImageFolder
from gan_sntg.data.loader import MappedPool
from gan_sntg.data.splits import Split, groups_of
from gan_sntg.distributed import rank, world_size
from gan_sntg.distributed.process_group import agreed, started
from gan_sntg.errors import InputError
from gan_sntg.files.atomic import check_utf8
from gan_sntg.files.memory import free_on, in_words
from gan_sntg.files.yaml_files import value_of
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks.gan import DenseDiscriminator, DenseGenerator
from gan_sntg.networks.passes import Precision, has_bfloat16
from gan_sntg.runs.build import RunObjects, class_names, read_run, say, size_of
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import ADDED_OPTIONS, RunOptions, config_reader, flat, identity, is_length, short_hash
from gan_sntg.runs.stopping import ENOUGH, Forecast, StopSignals
from gan_sntg.runs.trainer import Run, Trainer, Training
from gan_sntg.training.method import Method
from gan_sntg.training.optim import AdamInside

MOST = 1000  # runs of one command
HOUR = 3600.0  # seconds
ONE_PROGRAM_ON = ("cuda",)  # not "cpu": one program is not faster there than one run after another (results/seeds_speed.md)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def core_warning(threads: int | None) -> str | None:
    """Advice where a run would take all cores (threads is None) and others want half; else None."""
    load = os.getloadavg()[0]  # processes that ran or wanted to, over the last minute
    if threads is not None or cores() == 1 or load < cores() / 2:
        return None
    left = max(1, cores() - round(load))
    return f"others want {load:.1f} of the {cores()} cores, and this run takes all; side by side each is faster with --threads {left}"


def options_of_seeds(options: Namespace) -> list[Namespace]:
    """The options of each run of `seeds` and `data_seeds`, or of the one run. Raises InputError."""
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
    if world_size() > 1 and len(numbers) > 1:
        raise InputError(
            f"torchrun's {world_size()} processes train one run, but --seeds asks for {len(numbers)}; start a command for each, with --seed"
        )
    if len(set(numbers)) < len(numbers):
        raise InputError(f"--seeds is {seeds!r}: one is there twice; give each once")
    if options.out and (Path(options.out) / "config.yaml").exists():
        raise InputError(f"{options.out} is a run folder; with --seeds, --out is the folder that those of the runs stand in")
    runs = [options.clone() for _ in numbers]
    for own, seed, data_seed in zip(runs, numbers, paired, strict=True):
        own.seed, own.data_seed = seed, data_seed
        own.out = str(Path(options.out) / str(seed)) if options.out else None
    return runs


def whole_numbers(name: str, text: str) -> list[int]:
    """The numbers of "0..9", "0,3,5" or "0..2,7". Raises InputError."""
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


def train_seeds(options: Namespace) -> list[tuple[RunFolder, dict]]:
    """Train what the options ask for: each run's folder and result, on the first rank alone."""
    with started():
        with agreed():
            runs = [prepare_run(own) for own in options_of_seeds(options)]
            unfinished = [run for run in runs if not run.folder.finished]
        try:
            if unfinished:
                train_all(unfinished)
        finally:
            for run in runs:
                run.folder.release()
        return [(run.folder, run.folder.read_result()) for run in runs] if rank() == 0 else []


def train_all(runs: list[Run]) -> None:
    """Train unfinished runs to the end, as one program where that is faster."""
    watch = StopSignals(runs[0].options.max_minutes, runs[0].options.checkpoint_minutes)
    first = Trainer(runs[0])
    say(summary(first))
    say(too_long(flat(yaml.safe_load(runs[0].text)), first.options.epochs, first.parts.method))
    say([f"then the same with seed {', '.join(str(run.options.seed) for run in runs[1:])}"] if len(runs) > 1 else [])
    if rank() == 0:
        watch.forecast = Forecast(first.progress, first.parts.device, partial(say_time, first))
    if rank() == 0 and first.parts.device.type == "cpu" and (note := core_warning(first.options.threads)):
        print(note, file=sys.stderr)
    say(slow_precision(first.precision, first.parts.device))
    if len(runs) > 1 and not (why_not := stacking_obstacle(first.parts.method, first.options)):
        return train_groups([first, *map(Trainer, runs[1:])], watch)
    if len(runs) > 1:
        print(f"the seeds are trained one after another: {why_not}", file=sys.stderr)
    Training([first], watch).run()
    for run in runs[1:]:
        Training([Trainer(run)], watch).run()


def summary(trainer: Trainer) -> list[str]:
    """What a run is about to do, in five lines."""
    parts, options, progress = trainer.parts, trainer.options, trainer.progress
    sntg = getattr(parts.method, "sntg", None)
    on = f"SNTG of weight {sntg.weight:g}" if sntg is not None and sntg.weight else "SNTG off"
    sizes = (f"{name} {sum(p.numel() for p in net.parameters()) / 1e6:.3g}" for name, net in parts.method.networks.items())
    places = {"cpu": f"the CPU (threads: {torch.get_num_threads()})", "mps": "mps, on which nothing was tested"}
    place = torch.cuda.get_device_name(parts.device) if parts.device.type == "cuda" else places[parts.device.type]
    gone_on = f", of which step {progress.step} is done" if progress.step else ""
    return [
        f"{trainer.folder.path}: {parts.source.name}, {parts.source.num_classes} classes, {examples_of(parts)}",
        *label_facts(parts),
        f"  {type(parts.method).__name__}, {on}; parameters in millions: {', '.join(sizes)}",
        f"  {options.epochs} epochs x {parts.streams.steps_per_epoch} steps{gone_on}, in {trainer.precision.name} on {place}",
        f"  {memory_facts(parts)}",
    ]


def memory_facts(parts: RunObjects) -> str:
    """The memory that the images take where they are, and what is free there beside them."""
    size, device = in_words(size_of(parts.source)), parts.device
    if isinstance(parts.streams.pool, MappedPool):
        return f"{size} of images in files that are mapped into memory; batches are read ahead"
    free = {"the host's": free_on("cpu")} | ({} if device.type == "cpu" else {"the GPU's": free_on(device)})
    there = (f"{of} memory" + ("" if left is None else f" ({in_words(left)} free)") for of, left in free.items())
    return f"{size} of images in {' and in '.join(there)}"


def examples_of(parts: RunObjects) -> str:
    """The shape of the examples, and what networks see of them where that is another."""
    shape, seen = parts.source.image_shape, parts.normalization.shape(parts.source.image_shape)
    text = f"images of {' x '.join(map(str, shape))}" if len(shape) == 3 else "points of the plane"
    return text if seen == shape else f"{text}, seen as {' x '.join(map(str, seen))} features"


def label_facts(parts: RunObjects) -> list[str]:
    """How many labels there are of a class, and how many images of each part of the data."""
    source, split = parts.source, parts.split
    counts = torch.bincount(split.known(source)[split.labeled], minlength=source.num_classes)
    least, most = int(counts.argmin()), int(counts.argmax())
    names = class_names(source)
    each = f"{counts[least]} of each class"
    if counts[least] < counts[most]:
        each = f"from {counts[least]} ({names[least]}, the rarest) to {counts[most]} ({names[most]}) of a class"
    pool = len(split.pool(source))
    held_out = f"{len(split.validation):,} for validation" if split.validation else "none for validation"
    return [
        f"  {len(split.labeled):,} labels, {each}; {pool:,} images to train on, {pool - len(split.labeled):,} of them without a label; "
        f"{held_out}, {len(source.test_y):,} to test on",
        *group_facts(source, split),
    ]


def group_facts(source: Dataset, split: Split) -> list[str]:
    """How many groups the images of each part of the data are of, where they have groups."""
    if source.train_groups is None or source.test_groups is None:
        return []
    pool, held_out = groups_of(source, split.pool(source).tolist()), groups_of(source, split.validation)
    labels, test = groups_of(source, split.labeled), len({*source.test_groups})
    return [f"  labels of {labels:,} groups, images to train on of {pool:,}, for validation of {held_out:,}, to test on of {test:,}"]


def too_long(config: dict[str, str], epochs: int, method: Method) -> list[str]:
    """Warning that names ramps and decays that a run ends before; [] where there are none that count.

    config: options by their paths.
    """
    ramped = [weight for term, weight in method.weights().items() if term in ("net/consistency", "net/graph")]
    found = []
    for path, value in ((path, value_of(text)) for path, text in config.items() if is_length(path) and path.startswith("method.")):
        part = path.rpartition(".")[0]
        idle = value_of(config.get(f"{part}.weight", "1")) == 0 or part.endswith(".w") and not any(ramped)
        if isinstance(value, int | float) and isfinite(value) and value > epochs and not idle:
            found.append(f"--{path.replace('.init_args', '')} {value:g}")
    if not found:
        return []
    remedy = "--scale F in place of --epochs shortens the configuration's epochs and all of these together"
    return [f"warning: longer than --epochs {epochs}, so that the run ends before they do: {', '.join(found)}; {remedy}"]


def slow_precision(precision: Precision, device: torch.device) -> list[str]:
    """A warning where training is in bfloat16 and the device is known to have no instructions for it."""
    known = device.type == "cuda" or device.type == "cpu" and platform.machine().lower() in ("x86_64", "amd64")
    if precision is not Precision.bfloat16 or not known or has_bfloat16(device):
        return []
    remedy = "leave --precision out of a new run, or give --precision auto (a run keeps the precision that it began with)"
    return [f"warning: in bfloat16, for which this device has no instructions: steps take several times as long as in float32; {remedy}"]


def say_time(trainer: Trainer, seconds: float) -> None:
    """Say how long the run will take by a step's seconds, with a warning where a CPU needs over an hour."""
    left = trainer.options.epochs * trainer.parts.streams.steps_per_epoch - trainer.progress.step
    if not left:
        return
    need = f"{left * seconds / 60:.1f} min" if left * seconds < HOUR else f"{left * seconds / HOUR:.1f} h"
    evaluated = "evaluations among them" if trainer.measured else "without evaluations"
    lines = [f"{trainer.folder.path}: about {need} left, measured over {ENOUGH:g} s of steps ({evaluated})"]
    if left * seconds > HOUR and trainer.parts.device.type == "cpu":
        smaller = "--config folder_pretrained/supervised" if isinstance(trainer.parts.source, ImageFolder) else "smaller networks"
        lines.append(f"warning: more than an hour on this CPU; --scale {HOUR / left / seconds:.1g}, {smaller} or a GPU make it shorter")
    for line in lines:
        trainer.console.print(line, markup=False, highlight=False, soft_wrap=True)


def train_groups(trainers: list[Trainer], watch: StopSignals) -> None:
    """Train runs at the same step together, group after group."""
    groups: dict[int, list[Trainer]] = {}
    for trainer in trainers:
        groups.setdefault(trainer.progress.step, []).append(trainer)
    for step, group in groups.items():
        if len(groups) > 1:
            print(f"from step {step}: seeds {', '.join(str(s.options.seed) for s in group)}", file=sys.stderr)
        Training(group, watch).run()


def stacking_obstacle(method: Method, options: RunOptions) -> str | None:
    """The reason why runs of this method are not stacked; None where they are."""
    nets = [getattr(method, name, None) for name in ("discriminator", "generator")]
    if type(method) is not FeatureMatchingGAN or [type(net) for net in nets] != [DenseDiscriminator, DenseGenerator]:
        return "only the GAN of dense networks is trained as one program"
    if not all(isinstance(optimizer, AdamInside) for optimizer in method.optimizers.values()):
        return "only Adam with its epsilon inside the root is stacked; torch's own counts steps of one run"
    if options.pool == "mapped":
        return "images that are read ahead from a file are those of one run"
    if options.compile:
        return "one program of them all is not compiled"
    if next(method.parameters()).device.type not in ONE_PROGRAM_ON:
        return "one program is not faster on a CPU (results/seeds_speed.md)"
    return None


def prepare_run(options: Namespace) -> Run:
    """A run with its folder, in which there is nothing else. Raises InputError; writes nothing."""
    parser, own = config_reader(), RunOptions.of(options)
    text = parser.dump(options, skip_unset=False, skip_validation=True)
    file = Path(str(options.config[0])) if options.config else Path("run/options")
    name = f"{file.resolve().parent.name}-{file.stem}-seed{options.seed}-{short_hash(text)}"
    folder = RunFolder(Path(options.out or f"runs/{name}"))
    check_folder(folder, text)
    return Run(folder, own, text, partial(parser.objects, options))


def check_folder(folder: RunFolder, text: str) -> None:
    """Raise InputError unless the folder is new or of these options; newer ones count as defaults."""
    if not folder.config.exists():
        return folder.check_unused()
    if not folder.finished:
        check_utf8(folder.path, "rename it")
    parser, options = read_run(folder.path)
    texts = parser.dump(options, skip_unset=False, skip_validation=True), text
    before, now = (flat(ADDED_OPTIONS | identity(yaml.safe_load(of))) for of in texts)
    if now["precision"] == "auto":
        now["precision"] = before["precision"]  # a run goes on in the one that it began with, on whatever machine
    changed = [f"{k}: {before.get(k)} there, {now.get(k)} here" for k in sorted(before | now) if before.get(k) != now.get(k)]
    if changed:
        what = "; ".join(changed[:3])
        raise InputError(f"{folder.path} holds a run of another configuration ({what}); nothing was changed. Give another --out")
