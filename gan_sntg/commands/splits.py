"""Make, verify or show a manifest of which labels are known."""

from pathlib import Path

import torch
from jsonargparse import Namespace

from gan_sntg.data.splits import load_split, read_split
from gan_sntg.files.array_files import sha256_of
from gan_sntg.files.atomic import writable, write_atomically, writing
from gan_sntg.files.json_files import json_text
from gan_sntg.runs.build import choose_split, class_names, source_of
from gan_sntg.runs.options import check_nulls, check_option, config_parser
from gan_sntg.runs.parsing import Parser

HELP = {
    "make": "write the manifest that a run with these options would make",
    "verify": "check that a manifest is whole and belongs to the data of a configuration",
    "show": "print what a manifest holds, as JSON; with a configuration, the labels of each class too",
}


def parser() -> Parser:
    """make, verify and show, each with the options of a run."""
    parser = Parser(prog="gan-sntg splits", description="Manifests (split.json) say which images have a known label, for which data.")
    commands = parser.add_subcommands(title="commands", metavar="make|verify|show")
    for name, text in HELP.items():
        options = config_parser()
        options.epilog = None
        options.description = f"gan-sntg splits {name}: {text}."
        if name != "make":
            options.add_argument("file", type=str, help="manifest")
            options.usage = "%(prog)s FILE --config FILE [--OPTION VALUE ...]"
        commands.add_subcommand(name, options, help=text)
    return parser


def run(options: Namespace) -> None:
    """Do what was asked for."""
    {"make": make, "verify": verify, "show": show}[options.subcommand](options[options.subcommand])


def make(options: Namespace) -> None:
    """Write the manifest of the options. Raises InputError where data, labels or file do not allow it."""
    out = writable(options.out)
    check_nulls(options)
    check_option("data_seed", options.data_seed)
    split = choose_split(options, source_of(options))
    with writing(out):
        write_atomically(out, split.text().encode())
    print(out)


def verify(options: Namespace) -> None:
    """Print that the manifest fits. Raises InputError where it does not."""
    split = load_split(Path(options.file), source_of(options))
    print(f"{options.file} is whole and belongs to these data: {split.data}, SHA-256 {split.sha256[:12]}..., {len(split.labeled)} labels")


def show(options: Namespace) -> None:
    """Print a manifest's fields, lists as lengths, its hash and, with the data, the labels of each class."""
    path = Path(options.file)
    source = source_of(options) if options.data else None
    split = load_split(path, source) if source else read_split(path)
    figures = {name: len(value) if isinstance(value, list) else value for name, value in split.tree().items()}
    figures["split_sha256"] = sha256_of(split.text())  # as in the result.json of its runs
    if source:
        counts = torch.bincount(split.known(source)[split.labeled], minlength=source.num_classes).tolist()  # label noise included
        figures["labels_per_class"] = dict(zip(class_names(source), counts, strict=True))
    print(json_text(figures))
