"""Trees of options that a parser keeps what it made of: never another answer than parsing anew."""

import pytest
import yaml
from torch import nn

from gan_sntg.errors import InputError
from gan_sntg.files.import_paths import without_torch
from gan_sntg.files.yaml_files import configs_folder
from gan_sntg.runs import options, parsing
from gan_sntg.runs.options import config_parser
from gan_sntg.runs.parsing import Parser

ONE_OF_EACH = {yaml.safe_load(path.read_text())["method"]["class_path"]: path for path in sorted(configs_folder().glob("*_*/*.yaml"))}


class Forgetful(Parser):
    """Keeps nothing."""

    def parse_object(self, obj, *rest, **named):
        self.check_tree(obj)
        return parsing.with_home(super(Parser, self).parse_object(obj, *rest, **named))


@pytest.fixture
def forgetful(monkeypatch) -> Parser:
    with monkeypatch.context() as patch:
        patch.setattr(options, "Parser", Forgetful)
        return config_parser()


def dumped(parser: Parser, *words: str) -> str:
    return parser.dump(parser.parse_args([*words]), skip_unset=False, skip_validation=True)


def test_each_method_is_parsed_as_without_a_memory(forgetful):
    parser = config_parser()
    for path in ONE_OF_EACH.values():
        config = "--config", str(path)
        changed = *config, "--batch_size", "7", "--method.sntg.weight", "0.25"
        plain = dumped(parser, *config)
        assert dumped(parser, *changed) == dumped(forgetful, *changed) != plain == dumped(parser, *config)


def test_what_lacks_an_argument_is_refused_however_often(tiny_tree, tmp_path):
    tree, parser = tiny_tree(), config_parser()
    del tree["method"]["init_args"]["generator"]
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tree))
    for _ in range(3):
        with pytest.raises(InputError, match="required.*generator"):
            parser.parse_args(["--config", str(tmp_path / "a.yaml")])


def test_what_a_caller_changes_is_not_what_the_next_gets(tiny_tree):
    parser = config_parser()
    first = parser.parse_object(tiny_tree())
    text = parser.dump(first)
    first.method.init_args.discriminator.init_args.input_noise = 7
    first.method.init_args.sntg.init_args.weight = 7
    assert parser.dump(parser.parse_object(tiny_tree())) == text


def test_the_home_folder_is_that_of_now(tiny_tree, monkeypatch):
    tree, parser = tiny_tree() | {"data": {"class_path": "gan_sntg.data.MNIST", "init_args": {"root": "~/x"}}}, config_parser()
    for home in "/a", "/b":
        monkeypatch.setenv("HOME", home)
        assert parser.parse_object(tree).data.init_args.root == f"{home}/x"


def test_what_was_admitted_once_is_not_admitted_ever_after():
    parser, tree = Parser(), {"net": {"class_path": "torch.nn.ReLU"}}
    parser.add_argument("--net", type=nn.Module)
    assert parser.parse_object(tree).net.class_path == "torch.nn.ReLU"
    with without_torch(), pytest.raises(InputError, match="refused: a configuration may only name what is in gan_sntg, discriminative"):
        parser.parse_object(tree)
    assert parser.parse_object(tree).net.class_path == "torch.nn.ReLU"


def test_what_need_not_be_whole_is_kept_apart(tiny, monkeypatch):
    seen = []
    monkeypatch.setattr(parsing, "is_lenient", lambda known=parsing.is_lenient: seen.append(known()) or seen[-1])
    config_parser().parse_args(["--config", str(tiny)])
    assert set(seen) == {True, False} and not parsing.is_lenient()


@pytest.mark.parametrize("words", [["--data.range", "-1000,2000"], ["--data.range=-1000,2000"], ["--data.range", "-.5,2"]])
def test_a_pair_that_begins_with_a_minus_is_a_value(words):
    parsed = config_parser().parse_args(["--data", "gan_sntg.data.Arrays", "--data.file", "a.npz", *words])
    assert parsed.data.init_args.range == words[-1].removeprefix("--data.range=")
