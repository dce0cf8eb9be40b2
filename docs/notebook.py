"""Make docs/quickstart.ipynb of docs/quickstart.py: run its cells, keep what they print and draw, but no progress.

make notebook      about a minute on one core; needs the extra `docs`
"""

from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

SOURCE, FOLDER = Path(__file__).parent / "quickstart.py", Path("build")  # in which runs/quickstart is


def main() -> None:
    """Run the cells, and write the notebook beside the script."""
    FOLDER.mkdir(exist_ok=True)
    notebook = jupytext.read(SOURCE)
    NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(FOLDER)}}).execute()
    for k, cell in enumerate(notebook.cells):
        cell.id = f"cell-{k}"
        cell.metadata.pop("execution", None)  # times
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.write(notebook, SOURCE.with_suffix(".ipynb"))


if __name__ == "__main__":
    main()
