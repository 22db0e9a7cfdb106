"""The metrics that every process sends by itself, and how names become metric types."""

from __future__ import annotations

import re

from ..model.series import Metric, MetricKind

OPERATION_DURATION = Metric(
    name="operation/duration",
    kind=MetricKind.CUMULATIVE,
    value_type="DISTRIBUTION",
    unit="ms",
    description="Wall time of operations, failed ones included.",
)
OPERATION_COUNT = Metric(
    name="operation/count",
    kind=MetricKind.CUMULATIVE,
    value_type="INT64",
    unit="1",
    description="Operations that ended, by status: ok or error.",
)
CPU_UTILIZATION = Metric(
    name="process/cpu_utilization",
    kind=MetricKind.GAUGE,
    value_type="DOUBLE",
    unit="1",
    description="CPU time of the process over the interval, as a share of the CPUs that it may use.",
)
MEMORY_BYTES = Metric(
    name="process/memory_bytes",
    kind=MetricKind.GAUGE,
    value_type="INT64",
    unit="By",
    description="Resident memory of the process.",
)

STANDARD = (OPERATION_DURATION, OPERATION_COUNT, CPU_UTILIZATION, MEMORY_BYTES)

SERVICE, OPERATION, ENVIRONMENT, STATUS = "service", "operation", "environment", "status"
STATUS_OK, STATUS_ERROR = "ok", "error"
OVERFLOW = "__other__"

DOMAIN = "custom.googleapis.com"
MAX_NAME_LENGTH = 77  # leaves 100 for the prefix, as the setting allows

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_UNITS = {"ms": "ms", "s": "s", "ns": "ns", "bytes": "By", "percent": "%"}


def metric_type(prefix: str, name: str) -> str:
    """``custom.googleapis.com/<prefix>/<name>``."""
    segments = (segment for segment in prefix.split("/") if segment)
    return "/".join((DOMAIN, *segments, name))


def legal_name(name: str) -> str:
    """The nearest name that Cloud Monitoring takes; empty when nothing is left of it."""
    segments = (_NOT_IN_A_NAME.sub("_", segment).strip("_") for segment in name.split("/"))
    return "/".join(segment for segment in segments if segment)[:MAX_NAME_LENGTH].rstrip("/")


def unit_of(name: str) -> str:
    """The UCUM unit that a name ends in (``queue_wait_ms``), else ``1``."""
    return _UNITS.get(name.rpartition("_")[2], "1") if "_" in name else "1"
