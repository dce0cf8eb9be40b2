"""`gan-sntg bench`: ways side by side, a JSON file, and ratios to an earlier one of the same machine."""

import functools
import json

import pytest
from test_doctor_command import CONFIGS

from gan_sntg.benchmarks import timing
from gan_sntg.commands import bench


@pytest.fixture(scope="module", autouse=True)
def quick():
    """A ceiling is the best of one call, found once; bfloat16 is a way wherever the tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "REPEATS", 1)
        patch.setattr(bench, "ceilings", functools.cache(timing.ceilings))
        patch.setattr(bench, "has_bfloat16", lambda device: True)
        yield


@pytest.fixture(scope="module")
def benched(command, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    words = "--repeats 2 --seconds 0.01 --threads 1 --workers 0 --device cpu --plain true".split()
    return command("bench", "--config", CONFIGS / "digits_20/fm_gan.yaml", *words, "--out", folder / "a.json"), folder / "a.json"


def test_every_way_has_its_figures_in_the_table_and_the_file(benched):
    outcome, file = benched
    assert outcome.status == 0, outcome.err
    found = json.loads(file.read_text())
    (cell,) = found["configs"].values()
    assert set(cell["ways"]) == {"float32", "bfloat16", "plain layers", "naive"} and cell["images_a_step"] == 300
    assert found["environment"]["threads"] == 1 and all(rate > 0 for rate in found["ceilings"].values())
    for way in cell["ways"].values():
        assert len(way["ms_a_step"]) == 2 and way["median_ms"] == pytest.approx(sum(way["ms_a_step"]) / 2)
        assert way["flop_rate"] == pytest.approx(cell["flops_a_step"] / way["median_ms"] * 1e3)
    for text in ("float32", "bfloat16", "naive", "graph loss", "teacher pass", "GFLOP per step"):
        assert text in outcome.out


def test_bfloat16_is_timed_where_the_device_has_it_or_it_is_asked_for(command, monkeypatch, tmp_path):
    monkeypatch.setattr(bench, "has_bfloat16", lambda device: False)
    words = "--config digits_20/fm_gan --repeats 1 --seconds 0.01 --threads 1 --device cpu --naive false".split()
    for more, expected in (([], {"float32"}), (["--precision", "bfloat16"], {"bfloat16"})):
        assert command("bench", *words, *more, "--out", tmp_path / "a.json").status == 0
        found = json.loads((tmp_path / "a.json").read_text())
        assert set(found["configs"]["digits_20/fm_gan"]["ways"]) == expected
        assert set(found["ceilings"]) == {"copy", "products float32"} | {f"products {way}" for way in expected}


def test_an_earlier_file_gives_ratios_and_one_of_another_machine_is_refused(command, benched, refused, tmp_path):
    _, file = benched
    words = ["--config", str(CONFIGS / "digits_20/fm_gan.yaml"), *"--repeats 1 --seconds 0.01 --threads 1 --device cpu".split()]
    words += "--naive false --precision float32".split()
    words[1] = "digits_20/fm_gan"  # by name
    earlier = json.loads(file.read_text())
    (cell,) = earlier["configs"].values()
    cell["ways"]["float32"]["median_ms"] = 1e9
    (tmp_path / "slow.json").write_text(json.dumps(earlier))
    outcome = command("bench", *words, "--against", tmp_path / "slow.json")
    row = next(line for line in outcome.out.splitlines() if line.startswith("│ float32"))
    assert float(row.split("│")[-2]) > 1e4
    earlier["environment"]["threads"] = 99
    (tmp_path / "other.json").write_text(json.dumps(earlier))
    refused(["bench", *words, "--against", "other.json"], "threads 99 there, 1 here")
    for junk in (
        {"a": 1},
        {"environment": [], "configs": {}},
        {"environment": {}, "configs": {"a": {"ways": {"float32": {"median_ms": "x"}}}}},
    ):
        (tmp_path / "junk.json").write_text(json.dumps(junk))
        refused(["bench", *words, "--against", "junk.json"], "no file that `gan-sntg bench --out` wrote")


def test_texts_of_run_options_are_ways_of_their_own_and_bad_ones_are_refused_at_once(command, refused, tmp_path):
    words = ["--config", str(CONFIGS / "digits_20/pi_model.yaml"), *"--repeats 1 --seconds 0.01 --threads 1 --device cpu".split()]
    words += "--naive false --precision float32 --out a.json".split()
    more = "--method.targets_for needed --batch_size 30"
    outcome = command("bench", *words, "--options", "", more, "--out", tmp_path / "a.json")
    (cell,) = json.loads((tmp_path / "a.json").read_text())["configs"].values()
    assert outcome.status == 0 and list(cell["ways"]) == ["float32", f"float32 {more}"]
    plain, other = cell["ways"].values()
    assert (plain["images_a_step"], other["images_a_step"]) == (120, 50) and 0 < other["flops_a_step"] < plain["flops_a_step"] / 2
    for text, said in (
        ("--method.nothing 3", "nothing"),
        ("--batch_size '3", "close its quotes"),
        ("--threads 2 --seed 1", "give bench that"),
    ):
        refused(["bench", *words, "--options", "", text], said)
