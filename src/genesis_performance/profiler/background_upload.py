"""Uploads finished sessions to Cloud Profiler without making anybody wait for them."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque

from ..config.profiler import ProfilerConfig
from ..model.profile import ProfileReport
from .upload import upload

log = logging.getLogger(__name__)

EXIT_WAIT_S = 10.0
"""What the end of the process waits for uploads that run: Cloud Run gives a stopped container as much."""

_running: set[threading.Thread] = set()


def upload_later(
    report: ProfileReport, config: ProfilerConfig, project_id: str | None, failures: deque[str]
) -> threading.Thread:
    """Upload in a thread of its own; what goes wrong is logged and entered in ``failures``."""

    def run() -> None:
        try:
            upload(report, config, project_id=project_id)
        except Exception as error:  # noqa: BLE001 - an upload must not print a traceback into the host's log
            failures.append(f"{report.profile_id}: {error}")
            log.warning("profile %r is not uploaded to Cloud Profiler: %s", report.profile_id, error)
        finally:
            _running.discard(thread)

    thread = threading.Thread(target=run, name="genesis-upload", daemon=True)
    _running.add(thread)
    try:
        thread.start()
    except RuntimeError as error:  # no thread can be started
        _running.discard(thread)
        failures.append(f"{report.profile_id}: {error}")
        log.warning("profile %r is not uploaded to Cloud Profiler: %s", report.profile_id, error)
    return thread


@atexit.register
def _wait() -> None:
    end_s = time.monotonic() + EXIT_WAIT_S
    for thread in list(_running):
        thread.join(max(end_s - time.monotonic(), 0))
