"""Imports go one way: commands and scripts -> gan_sntg and discriminative -> gan_sntg.core -> libraries."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(path for name in ("gan_sntg", "discriminative", "scripts") for path in (ROOT / name).rglob("*.py"))
OURS = ("gan_sntg", "discriminative", "scripts", "tests")
OPTIONAL = ("ray", "matplotlib")


def imports(tree: ast.AST, path: Path) -> list[str]:
    """Every imported name, dotted and absolute."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = list(path.relative_to(ROOT).parts[: -node.level]) if node.level else []
            module = ".".join([*package, *([node.module] if node.module else [])])
            names += [f"{module}.{alias.name}" for alias in node.names]
    return names


def ours(path: Path) -> list[str]:
    """Those of this project."""
    return [name for name in imports(ast.parse(path.read_text()), path) if name.split(".")[0] in OURS]


def under(name: str, *packages: str) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def within(*folders: str):
    return pytest.mark.parametrize(
        "path", [p for p in MODULES if any(p.is_relative_to(ROOT / f) for f in folders)], ids=lambda p: str(p.relative_to(ROOT))
    )


@within("gan_sntg/core")
def test_the_core_imports_nothing_of_the_project_above_itself(path):
    assert [name for name in ours(path) if not under(name, "gan_sntg.core")] == []


@within("discriminative")
def test_the_discriminative_family_imports_only_the_core(path):
    assert [name for name in ours(path) if not under(name, "gan_sntg.core", "discriminative")] == []


@within("gan_sntg")
def test_nothing_in_gan_sntg_imports_the_discriminative_family(path):
    assert [name for name in ours(path) if not under(name, "gan_sntg")] == []


@within("gan_sntg", "discriminative")
def test_only_commands_import_commands(path):
    if not path.is_relative_to(ROOT / "gan_sntg/commands") and path.name != "__main__.py":
        assert [name for name in ours(path) if under(name, "gan_sntg.commands", "scripts", "tests")] == []


@within("gan_sntg", "discriminative", "scripts")
def test_no_import_is_inside_a_function_and_none_is_a_star(path):
    tree = ast.parse(path.read_text())
    assert [name for name in imports(tree, path) if name.endswith("*")] == []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]
    inside = {name for function in functions for name in imports(function, path)}
    assert [name for name in inside if not under(name, *OPTIONAL)] == []


def test_the_arrows_are_looked_for_in_the_modules_that_there_are():
    assert {"engine.py", "feature_matching.py", "supervised.py", "train.py"} <= {path.name for path in MODULES}
    relative = ast.parse("from ..losses import real_loss\nfrom . import errors")
    assert imports(relative, ROOT / "gan_sntg/core/graph.py") == ["gan_sntg.losses.real_loss", "gan_sntg.core.errors"]
