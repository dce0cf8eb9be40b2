"""`gan-sntg reproduce` on a Ray cluster that loses a worker."""

from pathlib import Path

import pytest
from helpers.grids import GRID, PATHS, figures, finished, reports, started, write


@pytest.fixture
def cluster(monkeypatch):
    """Two workers of one CPU each, and a head of none; Ray stays silent about what it is used for."""
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="needs the extra [cluster]")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", PATHS["PYTHONPATH"])
    made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield made, [made.add_node(num_cpus=1) for _ in range(2)]
    made.shutdown()


def test_a_lost_workers_cell_goes_on_elsewhere_and_the_report_is_that_of_one_machine(cluster, tmp_path, tiny_tree, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write({"grids/two.yaml": GRID, "tiny/fm_gan.yaml": tiny_tree() | {"epochs": 8, "steps_per_epoch": 20}})
    made, workers = cluster
    running = started(tmp_path, "ray", "--engine", "ray", "--address", made.address)
    made.remove_node(workers[0], allow_graceful=False)
    made.add_node(num_cpus=1)
    status, said = finished(running), Path("ray.said").read_text()
    assert status == 0, said
    done = [line for line in said.splitlines() if line.startswith("tiny/") and " %" in line]
    assert sorted(line.split(":")[0] for line in done) == sorted(f"tiny/{row} seed {seed}" for row in GRID["rows"] for seed in (0, 1))
    assert command("reproduce", "two", "--processes", 2, "--out", "local").status == 0
    assert reports(Path("ray")) == reports(Path("local")) and figures(Path("ray")) == figures(Path("local"))
