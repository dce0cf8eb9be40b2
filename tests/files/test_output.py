"""Standard output and error: lost readers, full disks, and characters that an encoding lacks end no work in a traceback."""

import errno
import io
import shutil
import sys

import pytest
from helpers import processes

from gan_sntg.errors import LostOutputError
from gan_sntg.files.output import Messages, Output, lasting_messages, lasting_output


class Failing(io.StringIO):
    """A stream whose every write fails in one way."""

    def __init__(self, number: int):
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, "No space left on device")


@pytest.mark.parametrize(("number", "said"), [(errno.EPIPE, ""), (errno.EIO, ""), (errno.ENOSPC, "cannot be written .No space left")])
def test_a_lost_output_is_told_from_a_failure_of_what_is_worked_on(number, said):
    with pytest.raises(LostOutputError, match=said or "^$") as lost:
        Output(Failing(number)).write("text")
    assert not isinstance(lost.value, OSError)  # which those who write files would take for theirs


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO, errno.ENOSPC])
def test_messages_that_nobody_reads_are_not_missed(number):
    messages = Messages(Failing(number))
    assert messages.write("text") == 0
    messages.flush()


@pytest.mark.parametrize(
    ("encoding", "text", "data"),
    [
        ("utf-8", "caf\udce9/x", b"caf\xe9/x"),  # a path that is not UTF-8, byte for byte
        ("ascii", "caf\udce9", b"caf\xe9"),
        ("ascii", "a \u2501 b", b"a \\u2501 b"),
        ("latin-1", "\u00e9 \u2501", b"\\xe9 \\u2501"),
        ("utf-8", "\u2501", b"\xe2\x94\x81"),
    ],
)
def test_every_text_can_be_written_in_every_encoding(encoding, text, data):
    held = io.BytesIO()
    stream = Output(io.TextIOWrapper(held, encoding))
    stream.write("before ")
    stream.write(text)
    stream.flush()
    assert held.getvalue() == b"before " + data


def test_streams_are_as_before_afterwards_and_absent_ones_are_replaced(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with lasting_messages(), lasting_output():
        print("nowhere")
        print("nowhere", file=sys.stderr)
    assert sys.stdout is sys.stderr is None


@pytest.mark.parametrize(("gone", "status"), [("1", 1), ("2", 0), ("12", 1)])
def test_a_run_is_trained_to_its_end_whoever_stops_reading(tiny, tmp_path, gone, status):
    words = [gone, "train", "--config", tiny, "--interval_epochs", 1, "--out", tmp_path / "run"]
    assert processes.ended(processes.unheard, words, tmp_path / "log") == status
    assert (tmp_path / "run/result.json").exists() and "Traceback" not in (tmp_path / "log").read_text()


def test_a_command_works_whose_outputs_are_closed_from_the_start(tiny, tmp_path):
    assert processes.ended(processes.mute, ["train", "--config", tiny, "--out", tmp_path / "run"], tmp_path / "log") == 0
    assert (tmp_path / "run/result.json").exists()


COMMANDS = {
    "evaluate": ["evaluate", "RUN"],
    "sample": ["sample", "RUN", "--kind", "classes", "--n", "4", "--out", "TMP/a.png"],
    "predict": ["predict", "RUN", "RUN/samples", "--out", "TMP/a.csv"],
    "compare": ["compare", "RUN", "RUN/../run2", "--out", "TMP/page"],
    "graph": ["graph", "predictions", "RUN", "--out", "TMP/a.npz"],
    "splits": ["splits", "show", "RUN/split.json"],
    "help": ["train", "--help"],
    "usage": ["--help"],
    "refused": ["evaluate", "TMP/none"],
}


@pytest.mark.parametrize("gone", ["1", "2"])
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_ends_in_a_traceback_where_a_reader_is_gone(run, tmp_path, name, gone):
    if name == "compare":
        shutil.copytree(run, tmp_path / "run2")
    words = [word.replace("RUN", str(run)).replace("TMP", str(tmp_path)) for word in COMMANDS[name]]
    status = processes.ended(processes.unheard, [gone, *words], tmp_path / "log")
    expected = 2 if name == "refused" else 1 if gone == "1" else 0
    assert status == expected and "Traceback" not in (tmp_path / "log").read_text()
