"""Search options on validation images: the trials of a file of configs/search.

python scripts/search.py digits_20 --only '*_sntg'      (rows that match are searched anew, all else stays; --processes runs at once)

Every trial is recorded in results/<name>_search.json, each row with the command that made it. Finished runs are only read, unfinished
ones go on.
"""

import json
from fnmatch import fnmatch

from gan_sntg.errors import InputError
from gan_sntg.experiments.scripts import RESULTS, machine, run_script, write_results
from gan_sntg.experiments.search import load_search


def main(name: str, only: str = "*", processes: int = 2) -> None:
    """Search the rows, and record every trial."""
    search = load_search(name)
    rows = [row for row in search.rows.values() if fnmatch(row.key, only)]
    if not rows:
        raise InputError(f"--only {only!r} matches no row of {search.name}; there are {', '.join(search.rows)}")
    file = RESULTS / f"{search.name}_search.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    found |= {"figure": "validation error, %, averaged weights"} | machine()
    for row in rows:
        tuned = search.run(row, processes)
        found[row.key] = {"command": f"python scripts/search.py {name} --only {row.key}"} | tuned
        write_results(f"{search.name}_search", found)
        print(row.key, tuned["chosen"], f"{tuned['trials'][0]['mean']:.2f} %", flush=True)


if __name__ == "__main__":
    run_script(main)
