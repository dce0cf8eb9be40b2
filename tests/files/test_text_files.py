"""JSON and YAML: finite numbers, no tag obeyed, no alias followed, and nothing read that is too deep, too long or no file."""

import json
import os

import pytest
import yaml

from gan_sntg.errors import InputError
from gan_sntg.files import yaml_files
from gan_sntg.files.json_files import is_number, parsed, read_json
from gan_sntg.files.yaml_files import load_yaml

LAUGHS = "{a0: &a0 [x, x]" + "".join(f", a{k}: &a{k} [*a{k - 1}, *a{k - 1}, *a{k - 1}]" for k in range(1, 11)) + "}"
DEEP = "[" * 1_000
VALUES = {"a tree that grows threefold at each alias": LAUGHS, "a list in a list, and so on": DEEP}


def test_what_was_written_is_read(tmp_path):
    held = {"a": [1, -2.5, None, True, "ä"], "b": {"c": 2**63 - 1, "d": -(2**63)}}
    (tmp_path / "a.json").write_text(json.dumps(held))
    assert read_json(tmp_path / "a.json") == held


VALUES_OF_JSON = "NaN", "-Infinity", "1e999", str(2**63), "9" * 10_000, "[" * 100_000, "", "{", "\ud800"
INVALID = [b'{"a": ' + text.encode("utf-8", "surrogatepass") + b"}" for text in VALUES_OF_JSON]


@pytest.mark.parametrize("text", INVALID + ["{}".encode(name) for name in ("utf-16", "utf-32", "utf-8-sig")], ids=lambda t: str(t[:15]))
def test_what_is_no_such_json_is_a_value_error_and_other_encodings_are_not_guessed(text):
    with pytest.raises(ValueError):
        parsed(text)


def test_json_that_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in tmp_path, tmp_path / "pipe":
        with pytest.raises(ValueError, match="it is not a regular file"):
            read_json(path)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none")


def test_true_is_no_number():
    assert [is_number(value) for value in (1, 1.5, True, "1", None)] == [True, True, False, False, False]


@pytest.fixture
def read(tmp_path):
    def of(text: str) -> dict:
        (tmp_path / "a.yaml").write_text(text)
        return load_yaml(tmp_path / "a.yaml")

    return of


def test_a_plain_mapping_is_read(read):
    assert read("a: 1\nb: {c: [x, 2.5, null]}\nd: '*'\n") == {"a": 1, "b": {"c": ["x", 2.5, None]}, "d": "*"}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("form", ["{}", "labels: {}", "method: {{x: {}}}", "labels: '{}'", "labels: '[\"{}\"]'"])
def test_what_grows_without_end_is_refused_before_an_alias_is_followed(read, monkeypatch, value, form):
    made, load = [], yaml.load
    monkeypatch.setattr(yaml, "load", lambda text, **kind: made.append(text) or load(text, **kind))
    with pytest.raises(InputError, match="a.yaml is not a readable YAML file"):
        read(form.format(value))
    assert not any(isinstance(token, yaml.AliasToken) for text in made if "*" in text for token in yaml.scan(text))


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("option", ["--labels", "--method.teacher"])
def test_it_is_refused_on_the_command_line_too(refused, train, value, option):
    refused([*train, option, value], "cannot be read")
    refused([*train, f"{option}={value}"], "cannot be read")


@pytest.mark.parametrize("text", ["a: " + "1" * 5000, "a: !!python/name:os.system", "{[1]: 2}", "a: *b", "\0"])
def test_what_yaml_itself_cannot_make_is_refused_by_name(read, text):
    with pytest.raises(InputError, match="a.yaml is not a readable YAML file"):
        read(text)


def test_what_is_too_long_or_no_file_is_not_opened(read, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    for path in tmp_path / "pipe", tmp_path:
        with pytest.raises(InputError, match="it is not a file, or has more"):
            load_yaml(path)
    monkeypatch.setattr(yaml_files, "MOST_BYTES", 6)
    assert read("a: 12\n") == {"a": 12}
    with pytest.raises(InputError, match="more than 6 bytes"):
        read("a: 123\n")
