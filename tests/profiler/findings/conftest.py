"""Finished sessions made of given measurements."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from genesis_performance.config.profiler import ProfilerConfig
from genesis_performance.model.advice import Finding
from genesis_performance.model.operation import Histogram, OperationSnapshot
from genesis_performance.model.profile import ProfileReport, ResourceSample, SamplerActivity
from genesis_performance.model.stacks import Frame, StackProfile, StackRecord
from genesis_performance.profiler.findings import findings
from genesis_performance.stats.histogram import bucket_index

START_NS = 1_700_000_000 * 10**9
MIB = 2**20


def frame(function: str, file: str = "/srv/app/shop.py", line: int = 10) -> Frame:
    return Frame(function, file, line, line - 1)


@dataclass(frozen=True)
class Seen:
    """One stack, root first, with what was counted for it."""

    frames: tuple[Frame, ...]
    samples: int
    cpu_ms: float
    wall_ms: float
    thread: str = "MainThread"
    operation: str = ""


class Sessions:
    """Makes the parts of a report."""

    frame = staticmethod(frame)
    seen = Seen
    mib = MIB

    def stacks(self, *seen: Seen, duration_s: float = 10.0) -> StackProfile:
        frames = tuple(dict.fromkeys(each for one in seen for each in one.frames))
        return StackProfile(
            frames=frames,
            records=tuple(
                StackRecord(
                    tuple(frames.index(each) for each in one.frames),
                    (one.samples, round(one.cpu_ms * 1e6), round(one.wall_ms * 1e6)),
                    one.thread,
                    one.operation,
                )
                for one in seen
            ),
            duration_s=duration_s,
        )

    def operation(
        self, name: str, *, count: int = 10, mean_ms: float = 100.0, cpu_ms: float | None = None
    ) -> OperationSnapshot:
        one_ns = round(mean_ms * 1e6)
        return OperationSnapshot(
            name=name,
            count=count,
            errors=0,
            sum_ns=one_ns * count,
            min_ns=one_ns,
            max_ns=one_ns,
            histogram=Histogram({bucket_index(one_ns): count}),
            cpu_ns=None if cpu_ms is None else round(cpu_ms * 1e6) * count,
            start_unix_ns=START_NS,
        )

    def resources(
        self,
        memory: Sequence[float] = (100 * MIB,) * 20,
        *,
        cpu_percent: float = 0.0,
        every_s: float = 0.5,
        changes_per_s: float = 0.0,
    ) -> tuple[ResourceSample, ...]:
        return tuple(
            ResourceSample(
                at_unix_ns=START_NS + round((index + 1) * every_s * 1e9),
                cpu_percent=cpu_percent,
                memory_bytes=int(level),
                memory_percent=100 * level / (1024 * MIB),
                read_bytes=0,
                write_bytes=0,
                threads=1,
                context_switches=round((index + 1) * every_s * changes_per_s),
            )
            for index, level in enumerate(memory)
        )

    def sampler(self, *, late_us: float, switch_interval_s: float = 0.0002) -> SamplerActivity:
        return SamplerActivity(
            asked_hz=100.0,
            samples=1000,
            duration_s=10.0,
            cpu_s=0.05,
            late_ns=round(late_us * 1e3),
            switch_interval_s=switch_interval_s,
        )

    def report(self, **parts: Any) -> ProfileReport:
        empty = ProfileReport(
            profile_id="one",
            start_unix_ns=START_NS,
            duration_s=10.0,
            operations=(),
            resources=(),
            repeated_calls=(),
            findings=(),
            cpu_count=2.0,
            memory_limit_bytes=1024 * MIB,
        )
        return replace(empty, **parts)


@pytest.fixture
def sessions() -> Sessions:
    return Sessions()


@pytest.fixture
def found(sessions: Sessions) -> Callable[..., list[Finding]]:
    """The findings of one kind in a report of the given parts: ``found("profiler/cpu", resources=...)``."""

    def look(rule: str, config: ProfilerConfig | None = None, **parts: Any) -> list[Finding]:
        report = sessions.report(**parts)
        return [finding for finding in findings(config or ProfilerConfig(), report) if finding.rule == rule]

    return look
