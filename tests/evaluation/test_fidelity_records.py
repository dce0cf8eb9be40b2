"""Figures stand side by side only if they were measured in one way, and what was measured survives in a file."""

import json

import pytest

from gan_sntg.errors import InputError
from gan_sntg.evaluation.fidelity_records import FILE, Measurement, Score, comparable, differences, measurements, record


def made(value: float = 1.0, step: int = 10, **fields) -> Measurement:
    provenance = {"extractor": "digits", "samples": 1000, "reference": "train"} | fields
    return Measurement(provenance, {"epoch": 1, "step": step, "sha256": "a"}, {"fid_digits": Score(value, value - 0.5, value + 0.5)})


def test_what_was_recorded_is_read_again(tmp_path):
    assert measurements(tmp_path) == []  # nothing was measured where there is no file
    record(tmp_path, made(1.25))
    record(tmp_path, made(2.5, samples=500))
    assert measurements(tmp_path) == [made(1.25), made(2.5, samples=500)]


def test_the_same_way_of_measuring_replaces_what_was_there(tmp_path):
    for m in made(1.0), made(2.0, samples=500), made(3.0, step=20):
        record(tmp_path, m)
    assert measurements(tmp_path) == [made(2.0, samples=500), made(3.0, step=20)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        '{"a": 1}',
        "[3]",
        '[{"scores": {}}]',
        '[{"scores": {"fid": 3}, "provenance": {}, "generator": {}}]',
        '[{"scores": {"fid": {"value": NaN, "low": 0, "high": 1}}, "provenance": {}, "generator": {}}]',
        '[{"scores": {"fid": {"value": 1, "low": -Infinity, "high": 1}}, "provenance": {}, "generator": {}}]',
        '[{"scores": {}, "provenance": {"a": [1]}, "generator": {}}]',
        '[{"scores": {}, "provenance": {"a": NaN}, "generator": {}}]',
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InputError, match=f"{FILE} is damaged .*delete it"):
        measurements(tmp_path)


def test_a_score_that_is_not_finite_is_not_recorded_and_nothing_is_lost(tmp_path):
    record(tmp_path, made())
    with pytest.raises(ValueError):
        record(tmp_path, made(float("nan"), samples=3))
    assert measurements(tmp_path) == [made()] and json.loads((tmp_path / FILE).read_text())


def test_differences_name_the_field_and_both_values():
    assert differences({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5}) == ["b: 2, 5", "c: 3, absent"]


def test_runs_are_compared_by_a_way_in_which_all_were_measured():
    a, b = [made(1), made(2, samples=500), made(3, samples=200)], [made(4, samples=500), made(5)]
    assert comparable({"a": a, "b": b}) == {"a": made(2, samples=500), "b": made(4, samples=500)}  # a's newest that b has too


def test_runs_that_were_never_measured_are_left_out():
    assert comparable({"a": [], "b": [made()], "c": []}) == {"b": made()} and comparable({"a": []}) == {}


def test_figures_of_different_provenance_are_refused_and_the_field_is_named():
    with pytest.raises(InputError, match=r"a and of c .*\(samples: 1000, 500\).*measure both again"):
        comparable({"a": [made()], "b": [made()], "c": [made(samples=500), made(samples=500, reference="test")]})
