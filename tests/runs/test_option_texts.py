"""Options as they are written: texts stay texts, numbers are decimal, keys stand once, and the command line wins over files."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gan_sntg.errors import InputError
from gan_sntg.files.json_files import read_json
from gan_sntg.files.yaml_files import dump, instance, load_yaml, value_of
from gan_sntg.runs.options import config_parser

NOTATIONS = "1e-3 77950e8 077 0x1F 0b1 1_000 1:30 190:20:30 2026-11-29 true yes .inf NaN #x &a *a !x - = << [a] {a} {a:1} a:".split()
TEXTS = st.one_of(
    st.sampled_from([*NOTATIONS, "", "\x85", "\u2028", " x", "x ", "a: b", "a\nb", "a #b", '"a"', "'a'"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    st.from_regex(r"[-+0-9.:_exobn]{1,8}", fullmatch=True),
).filter(lambda text: text.strip() != "null" and not text.startswith("~"))  # null is a word for nothing, ~ the home folder
WHOLE, REAL = st.integers(0, 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)


def is_tree(text: str) -> bool:
    """Whether a text of the command line reads as a mapping or a list, or would but for an alias or a key twice."""
    try:
        return isinstance(value_of(text), dict | list) or isinstance(yaml.safe_load(text), dict | list)
    except yaml.constructor.ConstructorError:
        return True
    except yaml.YAMLError:
        return False


@pytest.fixture(scope="module")
def parser():
    return config_parser()


@settings(
    max_examples=int(os.environ.get("GAN_SNTG_CASES", 12)),
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@given(texts=st.tuples(TEXTS, TEXTS, TEXTS), numbers=st.tuples(WHOLE, WHOLE, REAL, REAL))
def test_what_is_written_is_read_back_the_same(texts, numbers, parser, tmp_path):
    names = "out", "split", "data.root", "seed", "data_seed", "method.learning_rate", "label_noise"
    words = [f"--{name}={value}" for name, value in zip(names, (*texts, *numbers), strict=True)]
    try:
        options = parser.parse_args(["--config", "mnist_20/fm_gan", *words])
    except InputError:  # what stands for a tree, such as a: b, is refused at once
        assert any(is_tree(text) for text in texts)
        return
    (tmp_path / "a.yaml").write_text(parser.dump(options, skip_unset=False, skip_validation=True))
    file = tmp_path / "a.yaml"
    keys = [name.replace(".", ".init_args.") for name in names]
    for found in options, parser.parse_tree(load_yaml(file), file), parser.parse_args(["--config", str(file)]):
        assert [found[key] for key in keys] == [*texts, *numbers]


OPTIONS, DIGITS = ("epochs", "seed", "max_minutes", "method.learning_rate"), ("010", "0x10", "0b11", "1:30", "1_000", "-01")


@pytest.mark.parametrize(("option", "digits"), [*((option, "010") for option in OPTIONS), *(("epochs", digits) for digits in DIGITS[1:])])
def test_a_number_in_other_digits_is_refused_and_not_turned(train, refused, option, digits):
    refused([*train, f"--{option}={digits}"], f"{option} {digits}: to some readers {digits} is another number, or a text")


@pytest.mark.parametrize("text", ["epochs: 010", "a: {b: [1, 1:30]}", "a: 0x1F", "a: +1_0"])
def test_a_file_with_other_digits_is_refused_with_the_line(tmp_path, text):
    (tmp_path / "a.yaml").write_text(f"labels: 20\n{text}\n")
    with pytest.raises(InputError, match="line 2: .* is another number to other readers of YAML; write it in decimal digits, or in quotes"):
        load_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize(("key", "digits"), [("epochs", "010"), ("seed", "1:30"), ("method.init_args.average_decay", "0_0.5")])
def test_a_number_in_other_digits_is_refused_in_quotes_too(tiny_tree, refused, tmp_path, key, digits):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tree := tiny_tree() | {key: digits}))
    said = f"{key}: to some readers '{digits}' is another number, or a text; write it in decimal digits"
    refused(["train", "--config", "a.yaml", "--out", "run"], f"{said} (in a.yaml")
    with pytest.raises(InputError, match=said):
        config_parser().parse_object(tree)


def test_a_file_that_only_changes_another_may_hold_texts_of_digits(parser, tmp_path):
    (tmp_path / "b.yaml").write_text("data: {init_args: {root: '010'}}")
    assert parser.parse_args(["--config", "mnist_20/fm_gan", "--config", str(tmp_path / "b.yaml")]).data.init_args.root == "010"


@dataclass
class Part:
    number: int
    text: str


def test_in_json_a_text_of_other_digits_is_a_text_and_no_number():
    assert instance(Part, {"number": "10", "text": "010"}) == Part(10, "010")
    with pytest.raises(ValueError, match="part.number: to some readers '0x10'"):
        instance(Part, {"number": "0x10", "text": "010"})


def test_dates_in_files_and_numbers_of_python_are_read_alike(tmp_path):
    (tmp_path / "a.yaml").write_text("a: 2026-11-29\nb: 1.5e+3\nc: -.inf\nd: '010'\n")
    assert load_yaml(tmp_path / "a.yaml") == {"a": "2026-11-29", "b": 1500.0, "c": float("-inf"), "d": "010"}
    assert [value_of(text) for text in ("1e-3", "-2e5", "0", "null", "[1e3, x]")] == [1e-3, -2e5, 0, None, [1e3, "x"]]
    assert yaml.safe_load(dump({"a": "1e-3", "b": 1e-3})) == {"a": "1e-3", "b": 1e-3} and "'1e-3'" in dump({"a": "1e-3"})


@pytest.mark.parametrize("text", ["labels: 5\nepochs: 1\nlabels: 20\n", "a:\n  labels: 5\n  b: 1\n  labels: 20\n"])
def test_a_key_that_stands_twice_is_refused_with_both_lines(refused, tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    first = 1 + text.startswith("a")
    refused(["train", "--config", str(tmp_path / "a.yaml")], f"labels stands twice, in lines {first} and {first + 2}; keep one")


def test_a_key_that_stands_twice_is_refused_on_the_command_line_and_in_json(train, refused, tmp_path):
    refused([*train, "--method.sntg", "{margin: 1, margin: 2}"], "margin stands twice")
    (tmp_path / "a.json").write_text('{"a": {"b": 1, "c": 2, "b": 3}}')
    with pytest.raises(ValueError, match="'b' stands twice"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("config", [["--config", "digits_20/fm_gan"], ["--config=digits_20/fm_gan"], ["--conf=digits_20/fm_gan"]])
def test_options_win_over_files_wherever_they_stand(parser, config):
    for words in (["--labels", "50", *config], [*config, "--labels", "50"], ["--epochs=3", *config, "--labels=50"]):
        assert parser.parse_args(words).labels == 50
    both = parser.parse_args(["--config", "mnist_50/fm_gan", "--labels", "7", *config])
    assert (both.labels, both.data.class_path.rpartition(".")[2]) == (7, "Digits")  # of two files the later one


@pytest.mark.parametrize("form", ["{} null", "{}=null"])
@pytest.mark.parametrize(("name", "value"), [("stop_epochs", "10"), ("balance", "DistributionAlignment"), ("graph", "TeacherGraph")])
def test_null_takes_back_an_option_of_a_class_within_a_class(parser, form, name, value):
    words, key = ["--config", "digits_20/fm_gan", f"--method.sntg.{name}", value], f"method.init_args.sntg.init_args.{name}"
    assert parser.parse_args(words)[key] is not None
    assert parser.parse_args([*words, *form.format(f"--method.sntg.{name}").split()])[key] is None


@pytest.mark.parametrize("name", ["1e-3", "1:30"])
def test_a_run_folder_of_any_name_is_trained_and_read_again(command, tiny, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    words = ["train", "--config", tiny, "--epochs", 1, "--interval_epochs", 1, f"--out={name}"]
    assert command(*words).status == command("evaluate", name).status == command(*words).status == 0
    assert load_yaml(Path(name, "config.yaml"))["out"] == name
