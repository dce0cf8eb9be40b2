"""A configuration can name what is ours or torch's and nothing else: nothing else is imported, called or obeyed."""

import sys

import pytest
import yaml
from helpers.trees import TINY, tiny_with

FORMS = ["{}", "'{}'", '{{"class_path": "{}"}}', "{{class_path: {}, init_args: {{}}}}", "[{}]", "'{{class_path: {}}}'", '"{}\\n"']
TAG = "!!python/object/apply:os.mkdir [intruder]"

ESCAPED = ['{class_path: "intruder\\x2eThing"}', '{"class\\u005fpath": "\\u0069ntruder\\u002eThing"}', '"intruder\\x2eThing"']
VALUES = [form.format("intruder.Thing") for form in FORMS] + ESCAPED  # the latter are names when YAML has read them


@pytest.fixture
def intruder(refused, tmp_path, monkeypatch):
    """A class in a module that could be imported, and a check that a command is refused without doing so."""
    (tmp_path / "intruder.py").write_text("class Thing:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def check(words: list) -> bool:
        refused(words)
        return sys.modules.pop("intruder", None) is None

    return check


OPTIONS = ["data", "method", "method.teacher", "method.teacher.class_path", "method.matching", "normalization", "normalizatio"]


@pytest.mark.parametrize("option", OPTIONS)
def test_nothing_else_is_imported_for_the_command_line(train, intruder, option):
    for value in VALUES:
        assert intruder([*train, f"--{option}", value]) and intruder([*train, f"--{option}={value}"]), value


def test_names_of_any_script_are_checked(refused, train):
    for name in "übel.Ding", "зло.Thing", "torch.ao.übel.Ding":
        refused([*train, "--method.teacher", name])
        refused([*train, "--data", "{class_path: übel.Ding}"], "übel.Ding is refused")


HELP = [f"--{option}.help" for option in ("data", "method", "normalization")]
ERRORS = ["module 'intruder' has no attribute 'x'", "class_path 'intruder.Thing' Option 'x'"]


@pytest.mark.parametrize("words", [*(["--epochs", error] for error in ERRORS), *([option, "intruder.Thing"] for option in HELP)], ids=str)
def test_nothing_else_is_imported_to_word_an_error_or_a_help(train, intruder, words):
    assert intruder([*train, *words]) and intruder([*train, "=".join(words)])


@pytest.mark.parametrize("key", ["method.teacher", "method.init_args.teacher", "data.class_path", "normalization.class_path"])
def test_nothing_else_is_imported_for_a_dotted_key_of_a_file(intruder, tmp_path, key):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(TINY | {key: "intruder.Thing"}))
    assert intruder(["train", "--config", "config.yaml", "--out", "run"])


@pytest.mark.parametrize("option", ["--config", "--conf"])
@pytest.mark.parametrize("place", ["data", "normalization", "method", "method.teacher", "method.matching"])
def test_nothing_else_is_imported_for_a_file(intruder, tmp_path, place, option):
    for value in [*map(yaml.safe_load, VALUES), *ESCAPED]:
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_with(place, value)))
        assert intruder(["train", option, "config.yaml", "--out", "run"]), value


FOREIGN = ["os.system", "builtins.eval", "gan_sntgx.Thing", "torch.os.system", "gan_sntg.runs.folder.subprocess.run"]
FUNCTIONS = ["torch.hub.load", "torch.load", "torch.compiler.compile", "gan_sntg.files.atomic.write_atomically"]


@pytest.mark.parametrize("name", FOREIGN + FUNCTIONS)
@pytest.mark.parametrize("option", ["--data", "--normalization", "--method", "--method.sntg.pairing", "--method.teacher"])
def test_what_is_no_part_of_a_configuration_cannot_be_named(refused, train, option, name):
    refused([*train, option, name], *["a configuration may only name what is in gan_sntg, discriminative, torch"] * (name in FOREIGN))


@pytest.mark.parametrize("option", ["--data", "--method", "--normalization", "--labels", "--method.learning_rate", "--method.teacher"])
def test_a_yaml_tag_is_not_obeyed_on_the_command_line(refused, train, option):
    refused([*train, option, TAG])
