"""The run folder: configuration, environment, split, metrics, checkpoints, samples and result."""

import errno
import fcntl
import json
import math
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from tensorboard.summary.writer import event_file_writer
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from gan_sntg.errors import InputError, refusing
from gan_sntg.files.atomic import atomic, write_atomically, writing
from gan_sntg.files.import_paths import installed, own_packages
from gan_sntg.files.json_files import is_number, parsed, read_json
from gan_sntg.files.old_names import GONE, LEFT, first_reading, modern
from gan_sntg.files.paths import at_home
from gan_sntg.files.yaml_files import load_yaml
from gan_sntg.networks.passes import processor
from gan_sntg.runs.options import metric_of


def check_inside(folder: Path, parts: list[Path]) -> None:
    """Raise InputError where a link leads one of the parts out of the folder."""
    with refusing(f"{str(folder)!r} cannot be the name of a folder", "choose another"):
        inside = Path(os.path.realpath(folder))
        inside.exists()  # fails where a name is too long
        for part in parts:
            below = [part, *part.parents][: len(part.parts) - len(folder.parts)]
            if any(map(os.path.islink, below)) and not (place := Path(os.path.realpath(part))).is_relative_to(inside):
                raise InputError(f"{part} leads out of the run folder, to {place}; put a real file or folder in its place")


def check_new_name(folder: Path) -> None:
    """Raise InputError where a new folder's path holds markup or unprintable characters."""
    wrong = sorted({sign for sign in str(folder) if sign in '<>"' or not sign.isprintable()})
    if wrong:
        raise InputError(
            f"{str(folder)!r} has {', '.join(map(repr, wrong))} in it, which pages and shells take for more; choose another with --out"
        )


def row_of(line: bytes) -> dict:
    """A row of metrics.jsonl. Raises ValueError where the line is invalid."""
    row = parsed(line)
    if not isinstance(row, dict) or any(type(row.get(name)) is not int for name in ("epoch", "step")):
        raise ValueError("it has no epoch and step")
    if any(value is not None and not is_number(value) for value in row.values()):
        raise ValueError("it holds something else than numbers")
    if not all(0 <= (value or 0) <= 100 for name, value in row.items() if "_error/" in name):
        raise ValueError("its errors are not in 0..100 percent")
    return row


WORST = "worst_class_error"  # of the averaged weights; of validation images where some are held out, else of test images


def check_result(result) -> None:
    """Raise ValueError where what is read of a result is missing or invalid."""
    if not isinstance(result, dict) or not isinstance(result.get("config"), dict) or not isinstance(result.get("split_sha256"), str):
        raise ValueError("it has no config and split_sha256")
    figures = dict.fromkeys(("error", metric_of(result["config"])))
    tests, held_out = [f"test_{of}_{net}" for of in figures for net in ("last", "averaged")], [f"validation_{of}" for of in figures]
    if not all(is_number(result.get(name)) for name in (*tests, "seconds", "epochs")):
        raise ValueError("its errors, seconds and epochs are no numbers")
    if type(images := result.get("test_images", 1)) is not int or images < 1:
        raise ValueError("its test_images is no number of images")
    if not all(value is None or is_number(value) for value in (*(result.get(name, "") for name in held_out), result.get(WORST))):
        raise ValueError(f"its {' or '.join([*held_out, WORST])} is no number")
    if not all(0 <= (result.get(name) or 0) <= 100 for name in (*tests, *held_out, WORST)):
        raise ValueError("its errors are not in 0..100 percent")


BEFORE_AUTO = {"precision": "float32"}  # of runs that do not say
PACKAGES = ("gan-sntg", "torch", "torchvision", "numpy", "scikit-learn")


class RunFolder:
    """Paths and files of one run. Nothing is written before `open`."""

    def __init__(self, path: Path):
        """path: need not exist yet. Raises InputError where a part of it lies elsewhere."""
        self.path = path = at_home(path)
        self.config, self.split, self.result = path / "config.yaml", path / "split.json", path / "result.json"
        self.metrics, self.environment, self.code = path / "metrics.jsonl", path / "environment.json", path / "code.json"
        self.checkpoint, self.samples, earlier = path / "checkpoints" / "last.pt", path / "samples", path / "tensorboard"
        self.real, self.best = self.samples / "real.png", path / "checkpoints" / "best.pt"
        self.data, self.statistics, self.start = path / "data.json", path / "normalization.pt", path / "start.json"
        self.classes = path / "test_classes.npy"
        files = [self.start, self.config, self.split, self.result, self.metrics, self.environment, self.checkpoint, self.code]
        check_inside(path, [*files, self.data, self.statistics, self.classes, self.samples, earlier])
        self.tensorboard = earlier if earlier.exists() else path  # whose name TensorBoard gives the run
        self.held: int | None = None  # the folder, open and locked

    @property
    def finished(self) -> bool:
        """Whether the result is written."""
        return self.result.is_file()

    def check_made(self) -> None:
        """Raise InputError unless there is a run in the folder."""
        if not self.config.is_file():
            raise InputError(f"{self.path} is not a run folder (no config.yaml in it); give the folder that `gan-sntg train` printed")

    def lock(self) -> None:
        """Lock the folder for training until `release`. Raises InputError where another process has it."""
        if self.held is not None:
            return
        held = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(held)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                return  # a file system without locks
            raise InputError(f"{self.path} is being trained by another process; wait for its end, or choose another --out") from error
        self.held = held

    def release(self) -> None:
        """Let others train in the folder."""
        if self.held is not None:
            os.close(self.held)
            self.held = None

    def check_unused(self) -> None:
        """Raise InputError where the folder is in use (but for what a killed `open` left) or badly named."""
        check_new_name(self.path)
        begun = {self.checkpoint.parent, self.samples, self.path / "tensorboard", self.split, self.code, self.start}
        there = {part for part in self.path.rglob("*") if not part.name.endswith(".tmp")} if self.path.is_dir() else {self.path}
        if self.path.exists() and there and not (self.checkpoint.parent in there and there <= begun):
            raise InputError(f"{self.path} exists and is not a run folder (it has no config.yaml); choose another with --out")

    def open(self, config: str, split: str, device: torch.device, step: int, start: dict | None = None) -> None:
        """Make missing files; forget what was logged after `step`, that of the checkpoint.

        start: the record of `warm_start`, of a run that has one.
        """
        with writing(self.path):
            for folder in (self.checkpoint.parent, self.samples):
                folder.mkdir(parents=True, exist_ok=True)
            self.lock()
            if not self.config.exists():
                write_atomically(self.split, split.encode())
                if start:
                    write_atomically(self.start, (json.dumps(start, indent=1) + "\n").encode())
                if packages := own_packages():
                    write_atomically(self.code, (json.dumps(packages, indent=1) + "\n").encode())
                write_atomically(self.config, config.encode())
            sessions = [*self.sessions(), environment(device)]
            write_atomically(self.environment, (json.dumps(sessions, indent=1) + "\n").encode())
            self.forget_after(step)

    def forget_after(self, step: int) -> None:
        """Drop what was logged after `step`, in metrics.jsonl and TensorBoard."""
        kept = [row for row in self.rows() if row["step"] <= step]
        write_atomically(self.metrics, "".join(json.dumps(row) + "\n" for row in kept).encode())
        stamps = [
            int(found[1]) for path in self.tensorboard.iterdir() if (found := re.match(r"events\.out\.tfevents\.(\d{10})\.", path.name))
        ]
        with clock_from(max(stamps, default=0) + 1):
            self.writer = SummaryWriter(str(self.tensorboard), purge_step=step + 1)

    def sessions(self) -> list[dict]:
        """The environments that the run was trained in so far. Raises InputError where the file is damaged."""
        with refusing(f"{self.environment} is damaged", "delete it and run the same command again"):
            found = read_json(self.environment) if self.environment.exists() else []
            if not isinstance(found, list) or not all(isinstance(session, dict) for session in found):
                raise ValueError("it is no list of environments")
            return found

    def rows(self) -> list[dict]:
        """The rows of metrics.jsonl, without a torn last line. Raises InputError where another is damaged."""
        lines, rows = self.metrics.read_bytes().splitlines() if self.metrics.is_file() else [], []
        for k, line in enumerate(lines, 1):
            try:
                rows.append(row_of(line))
            except ValueError as error:
                if k < len(lines):
                    raise InputError(f"line {k} of {self.metrics} is damaged ({error}); mend or delete that line") from error
        return rows

    def log(self, epoch: int, step: int, seconds: float, values: dict[str, float]) -> None:
        """Log one row to metrics.jsonl (null where not finite) and TensorBoard."""
        row = {"epoch": epoch, "step": step, "seconds": round(seconds, 2)} | {k: v if math.isfinite(v) else None for k, v in values.items()}
        with self.metrics.open("a") as file:
            file.write(json.dumps(row) + "\n")
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def log_image(self, name: str, image: Tensor, step: int) -> None:
        """An image uint8 [C, H, W] for TensorBoard's image tab."""
        self.writer.add_image(name, image, step)

    def check_code(self) -> None:
        """Raise InputError where a package of the run is not allowed; report changed ones on stderr."""
        with refusing(f"{self.code} is damaged", "give --allow for the packages of the run, and delete the file"):
            packages = {**read_json(self.code)} if self.code.exists() else {}
        for name, sha256 in packages.items():
            if name not in (present := own_packages()):
                raise InputError(f"{self.path} was trained with code of {name}; if you trust it, add --allow {name} to the command")
            if present[name] != sha256:
                print(f"{self.path}: the code of {name} has changed since this run was begun", file=sys.stderr)

    def read_options(self) -> dict:
        """The options in config.yaml, by today's names. Raises InputError: damaged, or of what is gone."""
        options = load_yaml(self.config)
        for name in GONE:
            if options.get(name, LEFT) != LEFT:
                raise InputError(
                    f"{self.config} has {name} {options[name]}, but pairs and batch statistics are always those of all processes now; "
                    "use the version that began the run"
                )
        return first_reading(modern(BEFORE_AUTO | options))

    def read_result(self) -> dict:
        """The result of a finished run. Raises InputError where the file is damaged."""
        with refusing(f"{self.result} cannot be read", "delete it and run the same command to write it again"):
            result = read_json(self.result)
            check_result(result)
            return modern(result)

    def keep_classes(self, predicted: Tensor, true: Tensor) -> None:
        """Write test_classes.npy, uint16 [2, N]: classes by the averaged classifier, and the true ones."""
        with atomic(self.classes) as file:
            np.save(file, np.stack([predicted.cpu().numpy(), true.cpu().numpy()]).astype(np.uint16))

    def read_classes(self) -> np.ndarray:
        """What `keep_classes` wrote. Raises InputError where the file is damaged."""
        with refusing(f"{self.classes} cannot be read", f"delete it; gan-sntg evaluate {self.path} writes it again"):
            found = np.load(self.classes, mmap_mode="r", allow_pickle=False)  # mapped: a header may state more than there is
            if found.dtype != np.uint16 or found.ndim != 2 or len(found) != 2 or not found.size:
                raise ValueError(f"it is {found.dtype} {list(found.shape)}, not uint16 [2, N]")
            return np.array(found)

    def finish(self, result: dict, predicted: Tensor, true: Tensor) -> None:
        """Write the classes and then result.json: its presence says that the run is finished."""
        self.writer.close()
        self.keep_classes(predicted, true)
        write_atomically(self.result, (json.dumps(result, indent=1) + "\n").encode())


@contextmanager
def clock_from(second: int) -> Iterator[None]:
    """Within it, a new event file bears this second at the earliest, wherever the clock stands.

    TensorBoard reads event files in the order of their names, and each drops what those before have beyond its first step.
    """
    event_file_writer.time = SimpleNamespace(time=lambda: max(time.time(), second))
    try:
        yield
    finally:
        event_file_writer.time = time


def environment(device: torch.device) -> dict:
    """Versions, hardware, threads and the revision of the code."""
    return {
        "python": platform.python_version(),
        "packages": {name: installed(name) for name in PACKAGES},
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "threads": torch.get_num_threads(),
        "git": revision(),
    }


@cache
def revision() -> str | None:
    """The git revision of the code when first asked, "+dirty" where changed; None outside a checkout."""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(Path(__file__).parent), *words], capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)
        return git("rev-parse", "HEAD") + ("+dirty" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
