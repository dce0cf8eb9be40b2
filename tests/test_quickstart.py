"""The notebook: its cells are those of the script beside it, they run, and what they print is what it shows."""

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from gan_sntg.runs import trainer

DOCS = Path(__file__).parent.parent / "docs"
SCRIPT = (DOCS / "quickstart.py").read_text()
NOTEBOOK = json.loads((DOCS / "quickstart.ipynb").read_text())


def cells(script: str) -> list[tuple[str, str]]:
    """Kind and text of the cells of a script, those of words without their comment signs."""
    found = []
    for kind, text in re.findall(r"^# %%( \[markdown\])?\n(.*?)(?=^# %%|\Z)", script, re.S | re.M):
        words = re.sub(r"^# ?", "", text, flags=re.M) if kind else text
        found.append(("markdown" if kind else "code", words.strip()))
    return found


def test_cells_are_those_of_the_script():
    assert [(cell["cell_type"], "".join(cell["source"])) for cell in NOTEBOOK["cells"]] == cells(SCRIPT)


def test_it_was_run_whole_without_an_error_and_names_no_machine():
    code = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} == {"stream", "display_data"} and all(o.get("name") != "stderr" for o in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 5
    texts = "".join("".join(output.get("text", "")) for output in outputs)
    assert len(re.findall(r"test error +\d+\.\d\d %", texts)) == 4
    assert not re.search(r"(?<!\S)/\w+/", texts) and (DOCS / "quickstart.ipynb").stat().st_size < 1e6


def test_all_its_cells_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    short, replaced = re.subn(r"^EPOCHS = 60$", "EPOCHS = 2", SCRIPT, flags=re.M)
    assert replaced == 1
    names = {"__name__": "quickstart"}
    exec(compile(short, "quickstart.py", "exec"), names)
    assert len(plt.get_fignums()) == 5
    plt.close("all")
    assert len(re.findall(r"test error +\d+\.\d\d %", capsys.readouterr().out)) == 4
    assert sorted(path.name for path in (tmp_path / "runs/quickstart").iterdir()) == sorted(names["methods"])


class Shown(Exception):
    """Ends a run where its progress would begin."""


@pytest.mark.parametrize("there", [True, False])
def test_in_a_notebook_progress_is_a_line_an_interval_where_bars_have_no_widgets(there, monkeypatch, tiny, command, tmp_path):
    def bar(*columns, console, disable):
        raise Shown(console.is_jupyter, disable)

    monkeypatch.setattr(trainer, "find_spec", lambda name: there or None)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr(trainer, "ProgressBar", bar)
    with pytest.raises(Shown) as shown:
        command("train", "--config", tiny, "--out", tmp_path / "run")
    assert shown.value.args == (there, not there)
