"""Where results go that are to be in Cloud Monitoring, when no monitor of the host's takes them.

One exporter a project and process: two would write the same series, and the later one would be refused.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence

from ..config import settings
from ..export.buffer import MetricBuffer
from ..export.clock import SystemClock
from ..export.exporter import Exporter
from ..export.limits import Complaints, SeriesBudget
from ..export.opening import open_sink
from ..export.sink import Sink
from ..model.series import Series

log = logging.getLogger(__name__)

SERVICE, ENVIRONMENT = "benchmarks", "production"

NOT_SENT = (
    "enable_cloud_monitoring is set and there is no project, so the metrics are not sent; "
    "set GOOGLE_CLOUD_PROJECT or give gcp_project_id"
)


class Publisher:
    """Buffers the metrics of benchmarks and sends them in the background, and at the end of the process."""

    def __init__(self, project: str) -> None:
        section = settings().monitoring
        self._project = project
        self._clock = SystemClock()
        self._buffer = MetricBuffer(
            service=SERVICE,
            environment=ENVIRONMENT,
            budget=SeriesBudget(section.max_series),
            complaints=Complaints(log, clock=self._clock.monotonic),
            unix_ns=self._clock.unix_ns,
        )
        self.exporter = Exporter(
            self._series,
            self._sink,
            interval_s=section.write_interval_s,
            clock=self._clock,
            after_fork=self._buffer.reset,
        )

    def __call__(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        self._buffer.record(name, value, labels)
        self.exporter.start()

    def _series(self, now_unix_ns: int) -> Sequence[Series]:
        return self._buffer.series(now_unix_ns)

    def _sink(self) -> Sink:
        section = settings().monitoring
        return open_sink(
            section.sink,
            project=self._project,
            prefix=section.metric_prefix,
            service=SERVICE,
            environment=ENVIRONMENT,
            location=settings().gcp.location,
            clock=self._clock,
        )


_lock = threading.Lock()
_publishers: dict[str, Publisher] = {}


def publisher(project: str | None) -> Publisher | None:
    """What sends to the project, by default that of the settings; None where there is none."""
    from ..gcp.project import resolve_project

    found = resolve_project(project)
    if not found:
        return None
    with _lock:
        return _publishers.get(found) or _publishers.setdefault(found, Publisher(found))


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that the child does not have
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
