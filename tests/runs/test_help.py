"""What `--help` prints: a line an option, words for every argument that a configuration can give, and examples that parse."""

import inspect
import shlex
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

import gan_sntg.networks
from gan_sntg.__main__ import COMMANDS, main
from gan_sntg.commands import bench, compare, doctor, evaluate, export, predict, reproduce, sample, train, tune
from gan_sntg.configurable import Choice, Configurable, kinds
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.normalization import Normalization
from gan_sntg.methods import FeatureMatchingGAN
from gan_sntg.runs.help import FROM_DATA, INTERNAL, argument_words, documented, kinds_of
from gan_sntg.runs.options import GROUPS, RunOptions, network_arguments
from gan_sntg.training.method import Method

ROOT = Path(__file__).parents[2]
SCREEN = 42  # lines
PARSERS = {
    command.__name__.rpartition(".")[2]: command.parser for command in (bench, compare, doctor, evaluate, export, predict, sample, tune)
}
PARSERS |= {"train": train.parser, "reproduce": reproduce.parser}


def shown(parser, monkeypatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "100")
    return parser.format_help().splitlines()


def line_of(option: str, lines: list[str]) -> str:
    """All that stands of an option."""
    first = next(k for k, line in enumerate(lines) if line.startswith(f"  --{option} "))
    last = next((k for k in range(first + 1, len(lines)) if not lines[k].startswith(" " * 20)), len(lines))
    return " ".join(" ".join(lines[first:last]).split())


def known(kind: type) -> list[type]:
    """The classes of a kind that configurations can name, and what they are kinds of."""
    network_arguments()
    found = kinds(kind)
    hidden = (*INTERNAL, "gan_sntg.benchmarks.profile")
    files = {one: getattr(sys.modules.get(one.__module__), "__file__", None) or "" for one in found}
    ours = [one for one in found if files[one].startswith((f"{ROOT}/gan_sntg/", f"{ROOT}/discriminative/"))]
    ours = [one for one in ours if one.__module__ not in hidden]
    return [one for one in ours if not issubclass(one, Choice)]


def arguments(kind: type) -> list[str]:
    parameters = inspect.signature(kind.__init__).parameters.values()
    return [one.name for one in parameters if one.name != "self" and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]


def test_all_options_of_a_run_are_on_two_screens_in_groups_with_their_defaults(monkeypatch):
    lines = shown(train.parser(), monkeypatch)
    assert len(lines) <= 2 * SCREEN and max(map(len, lines)) <= 100 + 8
    assert all(line.isprintable() for line in lines)
    groups = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert groups[1:-1] == [f"{name}:" for name in GROUPS.values()] and groups[-1] == "examples:"
    for own in fields(RunOptions):
        line = line_of(own.name, lines)
        default = getattr(own.default, "name", str(own.default).lower() if isinstance(own.default, bool) else own.default)
        assert own.metadata["help"] in line and (default is None or "default" in line or f"[{default}" in line), line


@pytest.mark.parametrize("kind", [Dataset, Normalization, Method, Configurable])
def test_every_argument_of_every_class_has_words(kind):
    classes = known(kind)
    assert len(classes) > 4
    missing = [
        f"{one.__name__}.{name}"
        for one in classes
        for name in arguments(one)
        if not (FROM_DATA | argument_words(one)).get(name, "").strip()
    ]
    assert missing == []


def test_words_are_those_of_the_docstring_up_to_the_next_argument_or_the_end_of_the_sentence():
    text = """first: what is first; a, b: two of them, see Eq. 8 and `first`.

    c: of 0..1; null: none. It is new. Raises InputError for 2.
    d: with: a colon.
    """
    assert documented(text, ["first", "a", "b", "c", "d", "e"]) == {
        "first": "what is first",
        "a": "two of them, see Eq. 8 and `first`",
        "b": "two of them, see Eq. 8 and `first`",
        "c": "of 0..1; null: none",
        "d": "with: a colon",
    }
    assert documented("Anything: else.", ["else"]) == documented("", ["a"]) == documented("a: b.", []) == {}


class Child(FeatureMatchingGAN):
    """A method of one's own."""

    def __init__(self, own: float = 1.0, undocumented: int = 3, **kwargs):
        """own: 100 % of one's own."""
        super().__init__(**kwargs)


def test_help_of_a_class_has_its_words_those_of_its_base_and_its_defaults(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    name = f"{Child.__module__}.Child"
    with pytest.raises(SystemExit) as end:
        main(["train", "--allow", Child.__module__.partition(".")[0], f"--method.help={name}"])
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert (end.value.code or 0, err) == (0, "")
    assert line_of("method.own", lines) == "--method.own X 100 % of one's own [1.0]"
    assert line_of("method.undocumented", lines) == "--method.undocumented N [3]"
    assert line_of("method.learning_rate", lines) == "--method.learning_rate X of D's Adam [0.003]"
    generator = line_of("method.generator", lines)
    assert generator.startswith("--method.generator CLASS G (DenseGenerator, ") and generator.endswith("lists its arguments) [required]")
    assert "--method.generator.help [" not in out and "usage" not in out


def test_help_of_a_kind_lists_its_classes():
    lines = kinds_of(Method).splitlines()
    names = [line.split()[0] for line in lines[1:]]
    assert {"FeatureMatchingGAN", "PiModel", "Child"} <= set(names) and "GenerativeMethod" not in names and len(names) == len(set(names))
    assert next(line for line in lines if " PiModel" in line).split(maxsplit=1)[1].startswith("The Pi model: ")
    assert "RecordedData" not in kinds_of(Dataset)


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_examples_of_a_command_parse(name, monkeypatch, tmp_path):
    examples = [line.split("    show all")[0].split("    list the")[0] for line in PARSERS[name]().epilog.splitlines()[1:] if line.strip()]
    assert examples
    for example in examples:
        program, command, *words = shlex.split(example)
        assert (program, command) == ("gan-sntg", name) and command in COMMANDS
        if any(word.endswith((".help", "--print_config")) for word in words):
            with pytest.raises(SystemExit):
                PARSERS[name]().parse_args(words)
        else:
            PARSERS[name]().parse_args(words)


def test_a_dump_of_options_is_in_the_order_of_before(tiny):
    parser = train.parser()
    written = yaml.safe_load(parser.dump(parser.parse_args(["--config", str(tiny)]), skip_unset=False, skip_validation=True))
    assert list(written)[:3] == ["data", "normalization", "method"]
    assert [name for name in written if name in RunOptions.__dataclass_fields__] == [own.name for own in fields(RunOptions)]


def test_networks_are_among_the_classes_that_have_words():
    assert gan_sntg.networks.ConvNet13 in known(Configurable)
