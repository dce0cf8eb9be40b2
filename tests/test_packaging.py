"""What the package says of itself: one version everywhere, the lowest versions of CI, and the files that a project has."""

import re
import tomllib
from pathlib import Path

import yaml

import gan_sntg

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_version_is_one_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    released = re.findall(r"^## ([\d.]+) - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert gan_sntg.__version__ == PROJECT["version"] == citation["version"] == released[0] and released[-1] == "0.1.0"


def test_the_lowest_versions_of_ci_are_those_of_the_package():
    lowest = re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / ".ci/lowest.txt").read_text(), re.M)
    assert lowest == [re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", need).groups() for need in PROJECT["dependencies"]]


def test_the_workflow_runs_what_ci_runs_with_lowest_and_newest_versions():
    (job,) = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    lowest, newest = job["strategy"]["matrix"]["include"]
    assert (ROOT / lowest["constraints"]).is_file() and not newest["constraints"]
    declared = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", name)]
    assert (lowest["python"], newest["python"]) == (declared[0], declared[-1])
    assert PROJECT["requires-python"].startswith(f">={lowest['python']}")
