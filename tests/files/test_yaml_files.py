"""YAML: no tag is obeyed, no alias followed, and nothing is read that is too deep, too long or no file."""

import os
import time

import pytest
import yaml

from gan_sntg.errors import InputError
from gan_sntg.files import yaml_files
from gan_sntg.files.yaml_files import load_yaml, texts

LAUGHS = "{a0: &a0 [x, x]" + "".join(f", a{k}: &a{k} [*a{k - 1}, *a{k - 1}, *a{k - 1}]" for k in range(1, 60)) + "}"
DEEP = "[" * 20_000
VALUES = {"a tree that grows threefold at each alias": LAUGHS, "a list in a list, and so on": DEEP}


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
def test_what_grows_without_end_is_refused_at_once(read, value, form):
    began = time.perf_counter()
    with pytest.raises(InputError, match="a.yaml is not a readable YAML file"):
        read(form.format(value))
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("option", ["--labels", "--method.teacher"])
def test_it_is_refused_on_the_command_line_too(refused, train, value, option):
    refused([*train, option, value], "cannot be read")
    refused([*train, f"{option}={value}"], "cannot be read")


@pytest.mark.parametrize("text", ["a: 2001-13-45", "a: " + "1" * 5000, "a: !!python/name:os.system", "{[1]: 2}", "a: *b", "\0"])
def test_what_yaml_itself_cannot_make_is_refused_by_name(read, text):
    with pytest.raises(InputError, match="a.yaml is not a readable YAML file"):
        read(text)


def test_what_is_too_long_or_no_file_is_not_opened(read, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    for path in tmp_path / "pipe", tmp_path:
        with pytest.raises(InputError, match="no file"):
            load_yaml(path)
    monkeypatch.setattr(yaml_files, "MOST_BYTES", 6)
    assert read("a: 12\n") == {"a": 12}
    with pytest.raises(InputError, match="more than 6 bytes"):
        read("a: 123\n")


def test_texts_in_texts_are_found_with_their_keys():
    tree = yaml.safe_load("{a: x, b: [y, '{c: \"z\", d: [1, \"\\x61\"]}'], 3: {e: 'u: ['}}")
    found = list(texts(tree, "top"))
    assert [pair for pair in found if len(pair[1]) == 1] == [("a", "x"), ("b", "y"), ("c", "z"), ("d", "a")]
    assert found[-1] == ("e", "u: [")
