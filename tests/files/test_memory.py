"""A command that has a process of its own keeps freed memory for the next tensors; one that is called within another leaves it alone."""

import platform
import subprocess
import sys

import pytest

from gan_sntg.files import memory
from gan_sntg.files.memory import check_room

CODE = """
import contextlib, resource, sys
from gan_sntg.__main__ import main
with contextlib.redirect_stdout(None), contextlib.suppress(SystemExit):
    main({words})
import torch
def faults(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.empty(10 * 2**20).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(8)  # what memalign cuts off keeps the first ones apart
print(faults(4) * resource.getpagesize() / 2**20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc")
@pytest.mark.parametrize(("words", "kept"), [("", True), ("sys.argv[1:]", False)])
def test_large_tensors_that_follow_each_other_take_the_same_memory_in_a_command_of_its_own(words, kept):
    process = [sys.executable, "-c", CODE.format(words=words), "splits", "--help"]
    megabytes = float(subprocess.run(process, capture_output=True, text=True, check=True).stdout)
    assert megabytes < 40 if kept else megabytes > 100  # of four tensors of 40 MB


def test_images_are_not_refused_for_memory_that_the_process_keeps(monkeypatch):
    free = [10]
    monkeypatch.setattr(memory, "free_on", lambda device: free[0])
    monkeypatch.setattr(memory, "release_memory", lambda: free.append(free.pop() + 10))
    check_room("a", "images", 15)
    assert free == [20]
