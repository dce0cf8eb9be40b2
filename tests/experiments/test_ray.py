"""A grid on a Ray cluster of two workers, one of which is killed on the way: every cell once, the same report."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from test_reproduce import GRID, figures, reports

ray = pytest.importorskip("ray", reason="needs the extra [cluster]")
cluster_utils = pytest.importorskip("ray.cluster_utils")


@pytest.fixture
def cluster(monkeypatch):
    """Two workers of one CPU each, and a head of none; Ray stays silent about what it is used for."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]))
    made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield made, [made.add_node(num_cpus=1) for _ in range(2)]
    made.shutdown()


def test_a_lost_workers_cell_goes_on_elsewhere_and_the_report_is_that_of_one_machine(cluster, tmp_path, tiny_tree, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in "configs/grids", "configs/tiny":
        Path(folder).mkdir(parents=True)
    Path("configs/grids/two.yaml").write_text(yaml.safe_dump(GRID, sort_keys=False))
    Path("configs/tiny/fm_gan.yaml").write_text(yaml.safe_dump(tiny_tree() | {"epochs": 8, "steps_per_epoch": 20}))
    made, workers = cluster
    words = [sys.executable, "-m", "gan_sntg", "reproduce", "two", "--engine", "ray", "--address", made.address, "--out", "ray"]
    with Path("ray.log").open("w") as log:
        running = subprocess.Popen(words, stdout=log, stderr=log)
        while not [*Path("ray").rglob("metrics.jsonl")] and running.poll() is None:
            time.sleep(0.05)
        made.remove_node(workers[0], allow_graceful=False)
        made.add_node(num_cpus=1)
        assert running.wait(timeout=400) == 0, Path("ray.log").read_text()
    done = [line for line in Path("ray.log").read_text().splitlines() if line.startswith("tiny/") and " %" in line]
    assert sorted(line.split(":")[0] for line in done) == sorted(f"tiny/{row} seed {seed}" for row in GRID["rows"] for seed in (0, 1))
    assert command("reproduce", "two", "--processes", 2, "--out", "local").status == 0
    assert reports(Path("ray")) == reports(Path("local")) and figures(Path("ray")) == figures(Path("local"))
