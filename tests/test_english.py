"""First lines of docstrings, which `--help`, hovers and the documentation show: short statements, never questions."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PATHS = sorted(path for folder in ("gan_sntg", "discriminative", "scripts") for path in (ROOT / folder).rglob("*.py"))
QUESTIONS = ("Which", "What", "How", "Does", "Is", "Are", "Who", "Where")


def room_of(path: Path) -> str:
    """The folder of gan_sntg that a file is in, or the folder of the project."""
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "gan_sntg" and len(parts) > 2 else parts[0]


def first_lines(path: Path) -> list[tuple[ast.AST, str]]:
    """Every documented module, class and function of a file, and how its docstring begins."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, documented)]
    return [(node, text.splitlines()[0]) for node in nodes if (text := ast.get_docstring(node))]


def fault(node: ast.AST, line: str) -> str | None:
    """What is wrong with a first line; None where nothing is."""
    if len(line) >= 100:
        return f"{len(line)} characters"
    if "?" in line or isinstance(node, ast.Module) and line.split()[0] in QUESTIONS:
        return "a question"
    return None if line.endswith(".") else "no period"


@pytest.mark.parametrize("room", sorted({room_of(path) for path in PATHS}))
def test_first_lines_are_short_statements(room):
    lines = [(path, node, line) for path in PATHS if room_of(path) == room for node, line in first_lines(path)]
    assert lines and [f"{path.name}:{getattr(node, 'lineno', 1)}: {why}" for path, node, line in lines if (why := fault(node, line))] == []


def test_faults_are_found():
    module = ast.parse("")
    assert [fault(module, line) for line in ("Losses of both families.", "Which loss.", "Is it?", "Losses", "x" * 99 + ".")] == [
        None,
        "a question",
        "a question",
        "no period",
        "100 characters",
    ]
    assert fault(ast.parse("def f(): ...").body[0], "How far a run has come.") is None
