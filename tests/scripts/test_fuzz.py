"""A share of the fuzz script's cases, of another seed than results/fuzz.md; and its judge, which must see each kind of failure."""

import contextlib
import importlib
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from gan_sntg.data import public
from gan_sntg.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured and bounded as Linux does")
CASES = 400


@pytest.fixture(scope="module")
def fuzz():
    """The script's modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "scripts" / "robustness")
        patch.setattr(public, "KNOWN_FILES", {**public.KNOWN_FILES})  # the script adds its own
        modules = {"script": "fuzz", "subjects": "fuzzing.subjects", "trials": "fuzzing.trials"}
        yield SimpleNamespace(**{name: importlib.import_module(module) for name, module in modules.items()})


def test_every_damaged_file_is_refused_by_its_name_or_read_right(fuzz, tmp_path):
    with contextlib.chdir(tmp_path):
        found = fuzz.script.trials(fuzz.script.subjects_in(Path()), CASES, seed=1)
    trials = [trial for own in found.values() for trial in own]
    assert len(trials) >= CASES and {"refused"} < {trial.outcome for trial in trials}
    assert [(kind, trial) for kind, own in found.items() for trial in own if trial.outcome in fuzz.trials.FAILURES] == []
    assert max(trial.megabytes for trial in trials) < 200


READERS = {
    "accepted against its hash": lambda path: path.read_bytes(),
    "traceback": lambda path: path.read_bytes() == b"whole" or [][0],
    "refused without its name": lambda path: path.read_bytes() == b"whole" or refuse(),
    "hang": lambda path: path.read_bytes() == b"whole" or time.sleep(60),
    "died": lambda path: path.read_bytes() == b"whole" or os._exit(1),
}


def refuse():
    """As a reader does that does not say which file."""
    raise InputError("something is wrong somewhere")


@pytest.mark.parametrize("outcome", READERS)
def test_a_failure_is_seen(fuzz, tmp_path, outcome):
    (tmp_path / "file").write_bytes(b"whole")
    subject = fuzz.subjects.Subject("file", tmp_path / "file", lambda: READERS[outcome](tmp_path / "file"), hashed=True)
    reader = fuzz.trials.Reader([subject], seconds=1)
    assert reader.trial(0, b"damaged").outcome == outcome
    assert reader.trial(0, b"whole").outcome == "accepted, same meaning"  # and the next case is tried all the same
    reader.stop()


def test_memory_is_bounded(fuzz, tmp_path):
    (tmp_path / "file").write_bytes(b"1")
    subject = fuzz.subjects.Subject("file", tmp_path / "file", lambda: len(bytearray(int((tmp_path / "file").read_bytes()))))
    reader = fuzz.trials.Reader([subject])
    assert reader.trial(0, b"9000000000").said.endswith("MemoryError\n") and reader.trial(0, b"90000000").megabytes > 80
    reader.stop()
