"""Completion of commands and options in a shell."""

import subprocess
import sys

import pytest

from gan_sntg import commands
from gan_sntg.files.import_paths import installed

COMPLETE = 'source /dev/stdin; COMP_WORDS=({words}); COMP_CWORD={last}; _shtab_gan_sntg; printf "%s\\n" "${{COMPREPLY[@]}}"'


def completed(script: str, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    line = COMPLETE.format(words=" ".join(words), last=len(words) - 1)
    return subprocess.run(["bash", "-c", line], input=script, capture_output=True, text=True).stdout.split()


def test_bash_completes_commands_and_options():
    if not installed("shtab"):
        pytest.skip("needs the extra completion: shtab is not installed")
    words = [sys.executable, "-m", "gan_sntg", "--completion", "bash"]  # a process of its own: it leaves parsers that parse no more
    made = subprocess.run(words, capture_output=True, text=True)
    assert made.returncode == 0 and made.stderr == ""
    assert completed(made.stdout, "gan-sntg", "tr") == ["train"]
    assert "--epochs" in completed(made.stdout, "gan-sntg", "train", "--ep")
    assert "--fidelity" in completed(made.stdout, "gan-sntg", "evaluate", "--fid")


def test_what_cannot_be_completed_is_refused(command, monkeypatch):
    assert command("--completion", "fish").err == "gan-sntg: error: --completion is 'fish'; give bash, zsh or tcsh\n"
    monkeypatch.setattr(commands, "installed", lambda name: None)
    outcome = command("--completion", "bash")
    assert (outcome.status, outcome.out) == (2, "") and "pip install 'gan-sntg[completion]'" in outcome.err
