"""What a finished session shows: thresholds that were passed, and calls that repeat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..config.profiler import ProfilerConfig
from ..model.advice import Evidence, Finding, Severity
from ..model.operation import OperationSnapshot, RepeatedCall
from ..model.profile import ResourceSample
from ..stats.histogram import quantile

MIN_EXECUTIONS = 5
"""Below it the 95th percentile is the slowest execution alone, which says little."""

MIN_REPEAT_NS = 100_000
"""Repeated calls that take less each (a cache hit) are no reason to change code."""


def findings(
    config: ProfilerConfig,
    operations: Iterable[OperationSnapshot],
    resources: Sequence[ResourceSample],
    repeated_calls: Iterable[RepeatedCall],
    cpu_count: float,
) -> tuple[Finding, ...]:
    """Every finding of a session, in a fixed order."""
    return (
        *_cpu(config, resources, cpu_count),
        *_memory(config, resources),
        *_response_times(config, operations),
        *_repeats(repeated_calls),
    )


def _cpu(config: ProfilerConfig, resources: Sequence[ResourceSample], cpu_count: float) -> Iterator[Finding]:
    if not config.enable_cpu_profiling or not resources:
        return
    mean = sum(sample.cpu_percent for sample in resources) / len(resources)
    used = mean / cpu_count
    if used > config.cpu_threshold_percent:
        yield Finding(
            rule="profiler/cpu",
            severity=Severity.WARNING,
            resource="process",
            title="The process uses most of its CPU",
            reason=f"{used:.0f} % of {cpu_count:g} cores on average, threshold "
            f"{config.cpu_threshold_percent:g} %",
            evidence=(Evidence(name="cpu_percent", value=mean, unit="% of one core"),),
        )


def _memory(config: ProfilerConfig, resources: Sequence[ResourceSample]) -> Iterator[Finding]:
    if not config.enable_memory_profiling or not resources:
        return
    worst = max(resources, key=lambda sample: sample.memory_percent)
    if worst.memory_percent > config.memory_threshold_percent:
        yield Finding(
            rule="profiler/memory",
            severity=Severity.CRITICAL,
            resource="process",
            title="The process is near its memory limit",
            reason=f"{worst.memory_bytes / 2**20:.0f} MiB, {worst.memory_percent:.0f} % of the limit, "
            f"threshold {config.memory_threshold_percent:g} %",
            evidence=(Evidence(name="memory_bytes", value=worst.memory_bytes, unit="By"),),
        )


def _response_times(config: ProfilerConfig, operations: Iterable[OperationSnapshot]) -> Iterator[Finding]:
    for operation in operations:
        if operation.count < MIN_EXECUTIONS:
            continue
        p95_ms = quantile(operation.histogram.counts, 0.95, max_ns=operation.max_ns) / 1e6
        if p95_ms > config.response_time_threshold_ms:
            yield Finding(
                rule="profiler/response-time",
                severity=Severity.WARNING,
                resource=operation.name,
                title=f"{operation.name} is slow",
                reason=f"p95 {p95_ms:.0f} ms over {operation.count} executions, threshold "
                f"{config.response_time_threshold_ms:g} ms",
                evidence=(
                    Evidence(name="p95_ms", value=p95_ms, unit="ms", source=f"operation {operation.name}"),
                    Evidence(name="count", value=operation.count, source=f"operation {operation.name}"),
                ),
            )


def _repeats(repeated_calls: Iterable[RepeatedCall]) -> Iterator[Finding]:
    for repeat in repeated_calls:
        if repeat.duration_ns < MIN_REPEAT_NS * repeat.calls:
            continue
        yield Finding(
            rule="profiler/identical-calls",
            severity=Severity.WARNING,
            resource=repeat.operation,
            title=f"{repeat.operation} makes the same {repeat.kind} again and again",
            reason=f"{repeat.kind} {repeat.key!r}: {repeat.calls / repeat.executions:.1f} times in one "
            f"execution on average, {repeat.most} at most, at {repeat.site} in {repeat.function}",
            file=repeat.file,
            line=repeat.line,
            evidence=(
                Evidence(name="calls", value=repeat.calls, source=repeat.site),
                Evidence(name="executions", value=repeat.executions, source=repeat.site),
                Evidence(name="duration_ms", value=repeat.duration_ns / 1e6, unit="ms", source=repeat.site),
            ),
        )
