"""A share of the fuzz script's cases, of another seed than results/fuzz.md; and its judge, which must see each kind of failure."""

import contextlib
import importlib
import os
import sys
import time
from pathlib import Path

import pytest

from gan_sntg.data import public
from gan_sntg.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked and bounded as Linux does")
ROOT, EACH = Path(__file__).parents[2], 1  # cases of a file


@pytest.fixture(scope="module")
def fuzz():
    """The script."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts" / "robustness")
        patch.setattr(public, "KNOWN_FILES", {**public.KNOWN_FILES})  # the script adds its own
        yield importlib.import_module("fuzz")


def test_every_damaged_file_is_refused_by_its_name_or_read_right(fuzz, tmp_path):
    with contextlib.chdir(tmp_path):
        subjects = [*fuzz.run_files(fuzz.configs_folder()), *fuzz.export_files(), *fuzz.data_files()]
        found = [(subject.kind, *one) for subject in subjects for one in fuzz.trials(subject, EACH, seed=1)]
    assert len(found) == EACH * len(subjects) and {"refused"} < {outcome for _, outcome, _ in found}
    assert [one for one in found if one[1] in fuzz.FAILURES] == []


def test_the_cases_are_the_same_for_the_same_seed(fuzz, tmp_path):
    seen = []
    subject = fuzz.Subject("file", tmp_path / "file", lambda: seen.append((tmp_path / "file").read_bytes()))
    (tmp_path / "file").write_bytes(bytes(range(256)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fuzz, "trial", lambda subject, data, whole: seen.append(data) or ("refused", ""))
        for seed in 1, 1, 2:
            fuzz.trials(subject, 20, seed)
    whole, *cases = seen[:21], seen[21:42], seen[42:]
    assert whole == cases[0] != cases[1] and len(set(whole)) > 10 and (tmp_path / "file").read_bytes() == bytes(range(256))


READERS = {
    "accepted against its hash": lambda data: data,
    "traceback": lambda data: data == b"whole" or [][0],
    "refused without its name": lambda data: data == b"whole" or refuse(),
    "hang": lambda data: data == b"whole" or time.sleep(60),
    "hang, of processor time": lambda data: data == b"whole" or sum(iter(int, 1)),
    "died": lambda data: data == b"whole" or os._exit(1),
}


def refuse():
    """As a reader does that does not say which file."""
    raise InputError("something is wrong somewhere")


@pytest.mark.parametrize("outcome", READERS)
def test_a_failure_is_seen(fuzz, tmp_path, monkeypatch, outcome):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fuzz, "SECONDS", 1)
    path = tmp_path / "file"
    path.write_bytes(b"whole")
    subject = fuzz.Subject("file", path, lambda: READERS[outcome](path.read_bytes()), hashed=True)
    whole = fuzz.read(subject)
    assert fuzz.trial(subject, b"damaged", whole, seconds=1 if outcome == "hang" else 600)[0] == outcome.split(",")[0]
    assert fuzz.trial(subject, b"whole", whole)[0] == "accepted, same meaning"  # and the next case is tried all the same


def test_memory_is_bounded(fuzz, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subject = fuzz.Subject("file", tmp_path / "file", lambda: len(bytearray(int((tmp_path / "file").read_bytes()))))
    assert fuzz.trial(subject, b"9000000000", "9000000000")[1].endswith("MemoryError\n")
    assert fuzz.trial(subject, b"90000000", "90000000")[0] == "accepted, same meaning"
