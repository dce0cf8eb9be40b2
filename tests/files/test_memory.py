"""Memory that a tensor leaves serves the next one."""

import platform
import resource

import pytest
import torch

from gan_sntg.files.memory import reuse_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc")
def test_large_tensors_that_follow_each_other_fault_in_no_new_pages():
    def faults(times: int) -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(times):
            torch.empty(10 * 2**20).fill_(1)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    reuse_memory()
    faults(8)  # what memalign cuts off keeps the first ones apart
    assert faults(4) < 40 * 2**20 / resource.getpagesize()
