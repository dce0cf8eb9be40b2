"""An export of the finished tiny run, made once."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def exported(command, finished, tmp_path_factory) -> Path:
    """Its folder: to be read, or copied before it is changed."""
    out = tmp_path_factory.mktemp("exports") / "averaged"
    outcome = command("export", finished, "--out", out)
    assert (outcome.status, outcome.out) == (0, f"{out}\n") and outcome.err.startswith("read back, the classifier")
    return out
