"""A module run as a program that gets SIGTERM, and so saves and ends, when its parent has died."""

import os
import runpy
import signal
import sys
import threading
import time

EVERY = 0.5  # seconds between two looks


def attend(parent: int) -> None:
    """Look whether the process is still `parent`'s."""
    while os.getppid() == parent:
        time.sleep(EVERY)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=attend, args=[int(sys.argv[1])], daemon=True).start()
    del sys.argv[:2]  # the module's own words are left
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
