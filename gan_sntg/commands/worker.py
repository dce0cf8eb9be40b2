"""A `gan-sntg` process that gets SIGTERM, and so saves and ends, when its parent has died."""

import os
import signal
import sys
import threading
import time

from gan_sntg.commands.main import main

EVERY = 0.5  # seconds between two looks


def attend(parent: int) -> None:
    """Look whether the process is still `parent`'s."""
    while os.getppid() == parent:
        time.sleep(EVERY)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=attend, args=[int(sys.argv[1])], daemon=True).start()
    sys.exit(main(sys.argv[2:]))
