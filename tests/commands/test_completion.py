"""`gan-sntg --completion`: what a shell completes of commands, options, choices and files."""

import shutil
import subprocess
import sys

import pytest
import shtab

from gan_sntg.__main__ import COMMANDS


@pytest.fixture(scope="module")
def script(command) -> str:
    status, out, err = command("--completion", "bash")
    assert (status, err) == (0, "")
    return out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", set(COMMANDS)),
        ("ev", {"evaluate"}),
        ("train --prec", {"--precision"}),
        ("train --precision b", {"bfloat16"}),
        ("train --validation ", {"true", "false"}),
        ("train --method PiM", {"PiModel"}),
        ("splits ", {"make", "verify", "show"}),
        ("splits make --label_", {"--label_noise"}),
        ("evaluate --fid", {"--fidelity"}),
        ("train --out ru", {"runs"}),
        ("train --config digits_20/fm", {"digits_20/fm_gan"}),
        ("doctor --config mine.y", {"mine.yaml"}),
        ("reproduce table4-s", {"table4-sntg"}),
        ("tune mnist_5", {"mnist_50"}),
    ],
)
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_words(script, words, expected, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "mine.yaml").touch()
    given = ["gan-sntg", *words.split(" ")]
    ask = f'{script}\nCOMP_WORDS=("$@"); COMP_CWORD={len(given) - 1}; _shtab_gan_sntg; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", ask, "-", *given], capture_output=True, text=True, cwd=tmp_path)
    assert expected <= set(done.stdout.split()), done.stderr
    assert words == "" or expected == set(done.stdout.split())


@pytest.mark.parametrize("shell", [shell for shell in shtab.SUPPORTED_SHELLS if shell != "bash"])
def test_there_is_one_for_each_shell(shell, command):
    status, out, err = command("--completion", shell)
    assert (status, err) == (0, "") and all(name in out for name in COMMANDS)


@pytest.mark.parametrize("words", [[], ["ksh"], ["bash", "zsh"]])
def test_another_shell_is_refused(words, command):
    status, out, err = command("--completion", *words)
    assert (status, out) == (2, "") and "give one of bash, zsh" in err


def test_without_shtab_it_says_what_to_install(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    status, out, err = command("--completion", "bash")
    assert (status, out) == (2, "") and "pip install 'gan-sntg[completion]'" in err
