"""Are there cores for a run's CPU threads? Threads that wait for each other on cores of others make every process slow."""

import os


def crowding(threads: int | None) -> str | None:
    """What to tell the user where a run would take all cores (threads is None) and other processes keep half of them busy; else None."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0]  # processes that ran or wanted to, over the last minute
    if threads is not None or cores == 1 or load < cores / 2:
        return None
    left = max(1, cores - round(load))
    return f"others want {load:.1f} of the {cores} cores, and this run takes all; side by side each is faster with --threads {left}"
