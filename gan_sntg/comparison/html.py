"""HTML elements whose text is escaped where it enters."""

import re
from html import escape

VOID = ("img", "input")


class Markup(str):
    """Text that is HTML already."""


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """<tag attributes>children</tag>, children and values escaped unless they are Markup.

    An attribute's name may end in _ (class_) and hold _ for a hyphen; True gives it without a value, False and None leave it out.
    """
    given = "".join(attribute(name, value) for name, value in attributes.items())
    return Markup(f"<{tag}{given}>" if tag in VOID else f"<{tag}{given}>{joined(*children)}</{tag}>")


def attribute(name: str, value: object) -> str:
    """' name="value"', or what True, False and None stand for."""
    name = name.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


def joined(*children: object) -> Markup:
    """One after the other; all that is not Markup is escaped."""
    return Markup("".join(child if isinstance(child, Markup) else escape(str(child)) for child in children))


def table(caption: str, head: list, rows: list[list], class_: str | None = None) -> Markup:
    """A table in a box of its own in which it scrolls; `head` titles the columns, the first cell of a row its row."""
    titles = element("tr", *(element("th", title, scope="col") for title in head))
    body = (element("tr", element("th", first, scope="row"), *(element("td", cell) for cell in cells)) for first, *cells in rows)
    parts = element("caption", element("span", caption)), element("thead", titles), element("tbody", *body)
    return element("div", element("table", *parts, class_=class_), class_="scroll", tabindex=0, role="region", aria_label=caption)


def breakable(name: str) -> Markup:
    """A dotted name that may go on in the next line after each dot."""
    return Markup("<wbr>".join(joined(part) for part in re.split(r"(?<=\.)", name)))


def folded(summary: str, *children: object) -> Markup:
    """What is shown on request only."""
    return element("details", element("summary", summary), *children)


def mark(index: int) -> Markup:
    """The sign of the run of this index, by shape and colour; its name stands beside it."""
    return element("svg", element("use", href=f"#mark-{index}"), class_=f"mark run-{index}", viewBox="-6 -6 12 12", aria_hidden="true")


def named(index: int, name: str) -> Markup:
    """A run's sign and name."""
    return element("span", mark(index), name, class_="name")
