"""The script of sample quality scores paired runs by themselves, if measured in one way."""

import json
import runpy
from pathlib import Path

import pytest

from gan_sntg.errors import InputError
from gan_sntg.evaluation.fidelity_records import Measurement, Score, record

SCRIPTS = Path(__file__).parents[2] / "scripts" / "studies"


@pytest.fixture
def script(monkeypatch, tmp_path) -> dict:
    """The script's names, with two rows of three trained seeds; scores are 10, 20, 30 and one less."""
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    monkeypatch.syspath_prepend(str(SCRIPTS))
    made = runpy.run_path(str(SCRIPTS / "samples.py"))["main"].__globals__
    folders = {row: [f"runs/{row}/{seed}" for seed in range(3)] for row in ("fm_gan", "fm_gan_sntg")}
    for folder in (folder for own in folders.values() for folder in own):
        Path(folder).mkdir(parents=True)
    monkeypatch.setitem(made, "trained", lambda options: folders)

    def score(folder: str) -> None:
        row, seed = Path(folder).parts[-2:]
        value = 10 * (int(seed) + 1) - (row == "fm_gan_sntg")
        scores = {"fid_digits": Score(value, value - 2, value + 2), "recall_digits": Score(0.5, 0.4, 0.6)}
        samples = 50 if (row, seed) == ("fm_gan_sntg", "2") and made.get("odd") else 100
        record(Path(folder), Measurement({"samples": samples}, {"epoch": 1}, scores))

    monkeypatch.setitem(made, "score", score)
    return made


def test_the_table_has_means_over_seeds_and_paired_differences(script):
    script["main"]("digits", 1)
    found = json.loads(Path("results/samples_digits.json").read_text())
    rows = found["rows"]
    assert rows["fm_gan"]["fid_digits"]["values"] == [10, 20, 30] and rows["fm_gan_sntg"]["fid_digits"]["halfwidths"] == [2, 2, 2]
    assert found["with SNTG - without"]["fid_digits"]["mean"] == -1 and found["provenance"] == {"samples": 100}
    line = "| fid_digits | lower | 20.000 ± 10.000 | 19.000 ± 10.000 | -1.000 | -1.000 to -1.000 |"
    assert line in Path("results/samples_digits.md").read_text().splitlines()


def test_what_was_scored_is_not_scored_again(script, monkeypatch):
    script["main"]("digits", 1)
    monkeypatch.setitem(script, "score", None)
    script["main"]("digits", 1)


def test_scores_of_different_provenance_make_no_table(script, monkeypatch):
    monkeypatch.setitem(script, "odd", True)
    with pytest.raises(InputError, match="samples: 100, 50"):
        script["main"]("digits", 1)
    assert not Path("results/samples_digits.md").exists()
