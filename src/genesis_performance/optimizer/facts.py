"""What the rules know of one service: its metrics, and what its operations did in this process.

Every metric is one field here, with its unit and range; ``metrics`` reads them from a mapping by these
names. A metric that was not measured is None, and the rules that need it are skipped.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from ..model.operation import OperationSnapshot, RepeatedCall

DEFAULT_TARGET_ERROR_RATE = 0.01  # an objective, not a measurement: 99 % of the requests succeed


MOST = 1e15  # more of anything is a mistake of whoever measured


def _number(unit: str, about: str, *, low: float = 0.0, high: float = MOST) -> Any:
    return field(default=None, metadata={"unit": unit, "about": about, "low": low, "high": high})


def _text(about: str, *allowed: str) -> Any:
    return field(default=None, metadata={"unit": "", "about": about, "allowed": allowed})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """One service in one window of time."""

    service_name: str
    service_type: str

    request_count: float | None = _number("requests", "requests in the window")
    window_s: float | None = _number("s", "length of the window", low=1.0)
    p50_latency_ms: float | None = _number("ms", "median latency")
    p95_latency_ms: float | None = _number("ms", "95th percentile of the latency")
    p99_latency_ms: float | None = _number("ms", "99th percentile of the latency")
    target_latency_ms: float | None = _number("ms", "objective for the 95th percentile")
    error_rate: float | None = _number("ratio", "share of requests that failed", high=1.0)
    target_error_rate: float | None = _number("ratio", "objective for the error rate", high=1.0)
    cpu_utilization: float | None = _number("ratio", "mean over all vCPUs of an instance", high=1.0)
    cpu_utilization_p99: float | None = _number("ratio", "99th percentile of the same", high=1.0)
    memory_utilization: float | None = _number("ratio", "mean share of the memory limit", high=1.0)
    memory_utilization_max: float | None = _number("ratio", "highest share of the memory limit", high=1.0)
    instance_count: float | None = _number("instances", "mean number of instances")
    cold_start_rate: float | None = _number("ratio", "share of requests that waited for a start", high=1.0)
    startup_latency_ms: float | None = _number("ms", "how long an instance takes to start")
    billable_instance_seconds: float | None = _number("s", "billed instance time in the window")
    vcpu: float | None = _number("vCPU", "CPU limit of an instance", low=0.08, high=8.0)
    memory_gib: float | None = _number("GiB", "memory limit of an instance", low=0.125, high=32.0)
    concurrency: float | None = _number("requests", "highest number at once", low=1.0, high=1000.0)
    min_instances: float | None = _number("instances", "instances kept warm")
    billing_mode: str | None = _text("what is billed: CPU during requests, or always", "request", "instance")
    region: str | None = _text("for prices, as in europe-west3; tier 1 prices without it")

    operations: tuple[OperationSnapshot, ...] | None = None
    repeated_calls: tuple[RepeatedCall, ...] | None = None
    observed_s: float | None = None  # how long the operations' counters have been running

    @property
    def source(self) -> str:
        """Where the metrics come from, as evidence quotes it."""
        return f"metrics of {self.service_name}"


METRICS = {f.name: f.metadata for f in fields(ServiceFacts) if f.metadata}
"""Metric name to its unit, meaning and range."""
