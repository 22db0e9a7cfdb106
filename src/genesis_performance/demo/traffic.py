"""Real HTTP requests at a bounded rate, for as long as the demo runs.

Arrivals do not wait for answers (an open loop), as those of real users do not: a slow server gets a queue and
not fewer requests. The waiting line is bounded too; what does not fit is counted as skipped.
"""

from __future__ import annotations

import contextlib
import http.client
import queue
import random
import threading
import time
from collections.abc import Callable

WORKERS = 12
LONGEST_QUEUE = 100
TIMEOUT_S = 60.0  # a failure is an answer that is wrong, not one that a busy machine gives late

Choice = Callable[[random.Random], tuple[str, str]]
"""Picks the method and path of the next request."""


class Traffic:
    """Sends requests to one port, and to another one after ``switch``."""

    def __init__(self, port: int, choice: Choice, *, rate_per_s: float = 30.0, seed: int = 1) -> None:
        self.rate_per_s = rate_per_s
        self.answered = 0
        self.failed = 0  # no answer, or one from 500 on
        self.skipped = 0
        self._port = port
        self._choice = choice
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._waiting: queue.Queue[tuple[str, str]] = queue.Queue(LONGEST_QUEUE)
        self._ended = threading.Event()
        names = ["genesis-demo-arrivals", *(f"genesis-demo-client-{n}" for n in range(WORKERS))]
        jobs = [self._arrive, *([self._send] * WORKERS)]
        self._threads = [
            threading.Thread(target=job, name=name, daemon=True)
            for job, name in zip(jobs, names, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def switch(self, port: int) -> None:
        """Send what comes from now on to another port."""
        self._port = port

    def stop(self) -> None:
        """End, and wait for the requests on their way; a second call does nothing."""
        self._ended.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S)

    def _arrive(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            # Exponential gaps: the arrivals of many who do not know of each other.
            due += min(self._dice.expovariate(self.rate_per_s), 1.0)
            if self._ended.wait(max(due - time.monotonic(), 0)):
                return
            try:
                self._waiting.put_nowait(self._choice(self._dice))
            except queue.Full:
                self.skipped += 1

    def _send(self) -> None:
        connection: http.client.HTTPConnection | None = None
        try:
            while not self._ended.is_set():
                try:
                    method, path = self._waiting.get(timeout=0.2)
                except queue.Empty:
                    continue
                port = self._port
                if connection is None or connection.port != port:
                    if connection is not None:
                        connection.close()
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
                fine = _exchange(connection, method, path)
                with self._lock:
                    self.answered += fine
                    self.failed += not fine
        finally:
            if connection is not None:
                connection.close()


def _exchange(connection: http.client.HTTPConnection, method: str, path: str) -> bool:
    """One request and its whole answer; once more when the server had closed the idle connection."""
    for _ in range(2):
        try:
            connection.request(method, path)
            response = connection.getresponse()
            response.read()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            connection.close()
            continue
        except (OSError, http.client.HTTPException):
            with contextlib.suppress(OSError):
                connection.close()
            return False
        return response.status < 500
    return False
