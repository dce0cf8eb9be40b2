"""README and pages of docs/: entries resolve, links lead somewhere, commands are real, and the quick start does what it says."""

import importlib
import re
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image

from gan_sntg.__main__ import COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
EQUATIONS = PAGES["docs/equations.md"]
ENTRIES = re.findall(r"`((?:gan_sntg|discriminative)/[\w/]+\.py):([\w.]+)`", EQUATIONS)
FIXMATCH = "configs/digits_20/fixmatch.yaml"  # of the example in docs/adding-a-method.md
each_page = pytest.mark.parametrize("page", PAGES)


def test_every_equation_of_the_paper_is_in_the_map():
    for number in range(1, 10):
        assert re.search(rf"^\|[^|]*\bEq\. {number}\b", EQUATIONS, re.M), f"Eq. {number}"
    assert re.search(r"^\|[^|]*Alg\. 1", EQUATIONS, re.M) and len(ENTRIES) >= 20


@pytest.mark.parametrize(("path", "name"), ENTRIES, ids=lambda value: str(value))
def test_the_entry_resolves(path, name):
    found = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    for part in name.split("."):
        found = getattr(found, part)
    assert found is not None


def anchors(text: str) -> set[str]:
    """Names of the headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page: str, text: str) -> list[str]:
    """Links to files that are not there, or to headings that a page does not have."""
    dead = []
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)):
        name, _, heading = link.partition("#")
        path = ROOT / Path(page).parent / name if name else ROOT / page
        if not path.exists() or heading and heading not in anchors(path.read_text()):
            dead.append(link)
    return dead


@each_page
def test_links_lead_to_files_and_headings_that_are_there(page):
    assert dead_links(page, PAGES[page]) == []


def test_dead_links_are_found():
    assert dead_links("docs/index.md", "[a](none.md) [b](sntg.md#none) [c](sntg.md#options) [d](../LICENSE)") == ["none.md", "sntg.md#none"]


@each_page
def test_every_file_that_a_page_names_is_there(page):
    named = re.findall(r"`((?:tests|scripts|gan_sntg|discriminative|configs|results)/[\w/.-]+\.\w+)", PAGES[page])
    made = "fixmatch", "results/gpu/sitting.json"  # by a reader
    assert [path for path in named if not any(name in path for name in made) and not (ROOT / path).exists()] == []


def test_every_page_of_the_docs_is_in_the_table_of_contents():
    lists = re.findall(r"^```\{toctree\}\n(?::[^\n]*\n)*\n(.*?)^```$", PAGES["docs/index.md"], re.S | re.M)
    names = [name for text in lists for name in text.split()]
    pages = [path.stem for kind in ("*.md", "*.ipynb") for path in (ROOT / "docs").glob(kind)]
    assert sorted(["index", *names]) == sorted(pages)


def commands_of(text: str) -> list[list[str]]:
    """Words of each command in the blocks of shell."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.S | re.M)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    words = [shlex.split(line, comments=True) for line in lines]
    return [words[words.index("gan-sntg") + 1 :] for words in words if "gan-sntg" in words]


@each_page
def test_every_command_is_one_whose_options_there_are(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    for words in commands_of(PAGES[page]):
        if {"mine.yaml", "sntg.yaml", FIXMATCH} & set(words):  # files of a reader
            assert words[0] in COMMANDS
            continue
        importlib.import_module(f"gan_sntg.commands.{words[0]}").parser().parse_args(words[1:])


def test_the_quick_start_trains_compares_and_draws(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = README[README.index("## Quick start") : README.index("## Results")]
    for words in commands_of(start):
        outcome = command(*words, *(["--scale", "0.02"] if words[0] == "train" else []))
        assert outcome.status == 0, outcome.err
    assert Path("samples.png").is_file() and len(commands_of(start)) == 4
    code = re.search(r"```python\n(.*?)```", start, re.S)[1]
    assert len([line for line in code.splitlines() if line]) <= 12
    for text in (code, re.search(r"```python\n(.*?)```", PAGES["docs/python.md"], re.S)[1]):
        names: dict = {}
        exec(text.replace("epochs=150", "epochs=2"), names)
        assert 0 < names["run"].test_error < 100


def test_the_readme_is_short_and_soon_has_a_result():
    lines = README.splitlines()
    before = re.sub(r"^```.*?^```$", "", README[: README.index("## Results")], flags=re.S | re.M)
    assert len(lines) < 200 and len(before.split()) < 250
    assert [line for line in lines if len(line) > 120 and not line.startswith("|")] == []


def test_sntg_in_ones_own_loop_trains_as_the_script_does():
    code = re.search(r"```python\n(.*?)```", PAGES["docs/own-loop.md"], re.S)[1]
    names: dict = {}
    exec(code, names)
    assert code[code.index("def train") :] in (ROOT / "scripts/own_loop.py").read_text()
    assert names["train"](weight=1.0, seed=0, epochs=6) < 60


# --- commands of the how-to pages ----------------------------------------------------------------------------------------

RUN = ("install", "train", "resume", "compare", "export", "tensorboard", "use-a-run")  # pages whose commands are run here, on digits
NEEDS = {  # words of other commands, and what they need that is not here
    "--root my_pictures": "one's own pictures: the tutorial's commands, on pictures that a script draws",
    "--data.root": "one's own pictures",
    "runs/mine": "a run on one's own pictures",
    "runs/features": "a run on one's own pictures; the tutorial has most of these commands",
    "export runs/a": "the run of docs/export.md, which is exported there",
    "reproduce": "minutes to days",
    "bench": "an idle machine; its command is run by tests/commands/test_bench_command.py",
    "tune": "an hour, and a download; the tutorial runs a study",
    "mnist_100": "hours, and a download",
    "torchrun": "run by tests/training/test_data_parallel.py",
    "--onnx": "an extra; run by tests/export/test_model_card.py",
    "--allow mypackage": "a reader's own package; run by tests/test_adding_a_method.py",
}


@pytest.fixture(scope="module")
def two_runs(command, tmp_path_factory):
    """A folder with runs/a and runs/b, as on the page of installation but shorter, and with pictures to classify."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "some_other_folder").mkdir()
    Image.new("L", (8, 8), 90).save(folder / "some_other_folder/a.png")
    for words in commands_of(PAGES["docs/install.md"])[:2]:
        place = folder / words[words.index("--out") + 1]
        words = [str(place) if word.startswith("runs/") else word for word in words]
        assert command(*words, "--scale", "0.02").status == 0
    return folder


@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_run(page, two_runs, command, tmp_path, monkeypatch):
    found = commands_of(PAGES[f"docs/{page}.md"])
    shutil.copytree(two_runs, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    if any(words[0] == "train" for words in found):
        shutil.rmtree("runs")
    for words in found:
        outcome = command(*words, *(["--scale", "0.02"] if words[0] == "train" else []))
        assert outcome.status == 0, outcome.err
    assert found


def test_every_other_command_is_listed_with_what_it_needs():
    for page, text in PAGES.items():
        if Path(page).stem not in (*RUN, "tutorial"):  # which test_tutorial.py runs
            lines = [" ".join(words) for words in commands_of(text[text.find("## Results") :] if page == "README.md" else text)]
            assert [line for line in lines if not any(words in line for words in NEEDS)] == [], page
