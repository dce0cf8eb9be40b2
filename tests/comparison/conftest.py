"""A pair of finished runs that differ in SNTG's weight, made once."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def runs(command, finished, tiny, tmp_path_factory) -> list[Path]:
    """Two folders on the same split, the first with SNTG: to be read, or copied before they are changed."""
    folder = tmp_path_factory.mktemp("pair")
    without = folder / "without"
    assert command("train", "--config", tiny, "--out", without, "--method.sntg.weight", 0).status == 0
    return [Path(shutil.copytree(finished, folder / "with")), without]
