"""The site of the documentation: Sphinx over these Markdown pages; `make docs` builds it into build/docs.

What is generated here at build time, and so is never stale: commands and options, from their parsers (`commands.md`), and the API, from
docstrings (`api.md`).
"""

import os
import re
import textwrap
from importlib import import_module
from pathlib import Path

from gan_sntg import __version__
from gan_sntg.__main__ import COMMANDS

HERE = Path(__file__).parent
os.environ["COLUMNS"] = "84"  # of --help
OUTSIDE = re.compile(r"(?<!!)\[([^\]]*)\]\(\.\./([^)#]+)\)")  # links out of docs/
GENERATED = "<!-- commands, from their parsers -->"

project, author, copyright, version = "gan-sntg", "the gan-sntg authors", "the gan-sntg authors", __version__
extensions = ["myst_nb", "sphinx.ext.autodoc"]
nb_execution_mode = "off"  # `make notebook` runs it
html_theme = "furo"
html_title = f"gan-sntg {__version__}"
html_show_sphinx = False
myst_heading_anchors = 3  # links to headings are checked
nitpick_ignore_regex = [("py:.*", ".*")]  # types in signatures are not linked
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # those of torch are not ours
autoclass_content = "both"
autodoc_typehints_format = "short"
suppress_warnings = ["misc.highlighting_failure"]


def with_outside(app, docname: str, source: list[str]) -> None:
    """Make files outside docs/ downloads, folders there plain words, and fill in what is generated."""
    source[0] = OUTSIDE.sub(outside, source[0]).replace(GENERATED, commands() if GENERATED in source[0] else "")


def outside(link: re.Match) -> str:
    """A link to a file of the project as a copy of it; to a folder, its name. Raises FileNotFoundError."""
    text, path = link[1], HERE.parent / link[2]
    if not path.exists():
        raise FileNotFoundError(f"a page links to {path}, which is not there")
    return f"{{download}}`{text.replace('`', '')} <../{link[2]}>`" if path.is_file() else text


def commands() -> str:
    """What each command says of itself and of its options."""
    return "\n".join(block(name, import_module(f"gan_sntg.commands.{name}").parser()) for name in COMMANDS)


def block(name: str, parser) -> str:
    """A heading, and `--help` below it; that of subcommands too."""
    text = f"## {name}\n\n```text\n{parser.format_help().rstrip()}\n```\n"
    nested = getattr(parser, "_subcommands_action", None)
    return text + "".join(f"\n```text\n{one.format_help().rstrip()}\n```\n" for one in (nested.choices.values() if nested else ()))


def as_text(app, what: str, name: str, found, options, lines: list[str]) -> None:
    """Make a docstring, which is plain text, reStructuredText that says the same."""
    paragraphs = re.split(r"\n\s*\n", textwrap.dedent("\n".join(lines)).strip("\n"))
    lines[:] = "\n\n".join(map(paragraph, paragraphs)).split("\n") + [""]


def paragraph(text: str) -> str:
    """Indented lines as they are; else words without markup, but for code between backticks."""
    if all(line.startswith(" ") for line in text.split("\n")):
        return "::\n\n" + textwrap.indent(textwrap.dedent(text), "   ")
    parts = re.split(r"`([^`]+)`", " ".join(line.strip() for line in text.split("\n")))
    return "".join(f"\\ ``{part.strip()}``\\ " if k % 2 else re.sub(r"([\\*_|`])", r"\\\1", part) for k, part in enumerate(parts)).strip()


def setup(app) -> None:
    """Connect the two."""
    app.connect("source-read", with_outside)
    app.connect("autodoc-process-docstring", as_text)
