"""How is a tree of JSON or YAML damaged? Hypothesis changes one to three of its branches for what they are not to be."""

import copy
import io
import json
from collections.abc import Callable

import torch
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

NUMBERS = [-1, 0, 1, 0.5, 2**31, 2**63, 10**30, 1e308, float("inf"), float("nan"), -0.0, True]
TEXTS = [
    "",
    " ",
    "\0",
    "../../x",
    "os.system",
    "a" * 10_000,
    "<b>&",
    "1",
    "null",
    "{a: 1}",
    "[" * 2000,
    "\ud7ff",
    "é\n",
    "~",
    "torch.nn.ReLU",
    "*a",
]
LEAVES = st.none() | st.sampled_from(NUMBERS) | st.sampled_from(TEXTS) | st.integers() | st.floats() | st.text(max_size=8)
KEYS = st.sampled_from(["class_path", "init_args", "format", "config", "__class__"]) | st.text(max_size=8)
BRANCHES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6)


def ways(tree, way: tuple = ()) -> list[tuple]:
    """Keys and indices to every branch of a tree but its root."""
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [found for key, branch in entries for found in ((*way, key), *ways(branch, (*way, key)))]


@st.composite
def changed(draw, tree):
    """A tree with some branches replaced, renamed, removed, wrapped, repeated or mixed up."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        found = ways(tree)
        if not found:
            return draw(BRANCHES)
        *way, last = draw(st.sampled_from(found))
        branch = tree
        for key in way:
            branch = branch[key]
        how = draw(st.sampled_from(["replace", "replace", "replace", "remove", "wrap", "repeat", "rename", "exchange"]))
        if how == "replace":
            branch[last] = draw(BRANCHES)
        elif how == "wrap":
            branch[last] = draw(st.sampled_from([[branch[last]], {"class_path": branch[last]}, json.dumps(branch[last], default=str)]))
        elif how == "repeat" and isinstance(branch[last], list):
            branch[last] = branch[last] * 2
        elif how == "exchange":
            other = draw(st.sampled_from(sorted(branch, key=str) if isinstance(branch, dict) else range(len(branch))))
            branch[last], branch[other] = branch[other], branch[last]
        else:
            kept = branch.pop(last)
            if how == "rename" and isinstance(branch, dict):
                branch[draw(KEYS)] = kept
    return tree


def drawn(tree, count: int, number: int) -> list:
    """`count` changed trees; the same for the same seed `number`."""
    found = []

    @seed(number)
    @settings(max_examples=count, phases=[Phase.generate], database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(changed(tree))
    def collect(example) -> None:
        found.append(example)

    collect()
    return found


def as_json(tree) -> bytes:
    """One document."""
    return json.dumps(tree).encode()


def as_lines(tree) -> bytes:
    """JSON, one entry of a list a line, as in metrics.jsonl."""
    return b"".join(as_json(entry) + b"\n" for entry in tree) if isinstance(tree, list) else as_json(tree)


def as_yaml(tree) -> bytes:
    """One document."""
    return yaml.safe_dump(tree, allow_unicode=True).encode()


def as_state(tree) -> bytes:
    """As a checkpoint is."""
    buffer = io.BytesIO()
    torch.save(tree, buffer)
    return buffer.getvalue()


FORMATS: dict[str, tuple[Callable, Callable]] = {
    "json": (json.loads, as_json),
    "jsonl": (lambda data: [json.loads(line) for line in data.splitlines()], as_lines),
    "yaml": (yaml.safe_load, as_yaml),
    "state": (lambda data: torch.load(io.BytesIO(data), weights_only=True), as_state),
}
