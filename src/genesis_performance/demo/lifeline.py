"""A child process ends with the one that started it, even when that one was killed."""

from __future__ import annotations

import os
import signal
import sys
import threading


def end_with_parent() -> None:
    """Ask this process to end once the other end of its stdin is gone; the parent holds it open."""

    def watch() -> None:
        # The descriptor and not sys.stdin: its lock would be held at the interpreter's end.
        while os.read(descriptor, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    descriptor = sys.stdin.fileno()
    threading.Thread(target=watch, name="genesis-demo-lifeline", daemon=True).start()
