"""Every recorder of the process as one: for sessions over programs whose profilers are their own."""

from __future__ import annotations

from dataclasses import replace

from ..model.operation import Histogram, OperationSnapshot, RepeatedCall
from ..operations import recorders
from ..stats.histogram import merge


class AllRecorders:
    """Reads as a recorder does. Operations of one name and labels are added up."""

    enabled = True

    @property
    def failures(self) -> int:
        return sum(recorder.failures for recorder in recorders())

    def snapshots(self) -> list[OperationSnapshot]:
        found: dict[tuple[str, tuple[tuple[str, str], ...]], OperationSnapshot] = {}
        for recorder in recorders():
            for snapshot in recorder.snapshots():
                key = snapshot.name, snapshot.labels
                found[key] = _sum(found[key], snapshot) if key in found else snapshot
        return list(found.values())

    def repeated_calls(self) -> list[RepeatedCall]:
        return [repeat for recorder in recorders() for repeat in recorder.repeated_calls()]


def _sum(a: OperationSnapshot, b: OperationSnapshot) -> OperationSnapshot:
    least = [each.min_ns for each in (a, b) if each.count]
    errors = {
        name: a.error_types.get(name, 0) + b.error_types.get(name, 0)
        for name in {*a.error_types, *b.error_types}
    }
    return replace(
        a,
        count=a.count + b.count,
        errors=a.errors + b.errors,
        error_types=errors,
        sum_ns=a.sum_ns + b.sum_ns,
        min_ns=min(least, default=0),
        max_ns=max(a.max_ns, b.max_ns),
        histogram=Histogram(merge(a.histogram.counts, b.histogram.counts)),
        # where one of them does not know, the sum would be too small
        cpu_ns=None if a.cpu_ns is None or b.cpu_ns is None else a.cpu_ns + b.cpu_ns,
        cpu_samples=a.cpu_samples + b.cpu_samples,
        in_flight=a.in_flight + b.in_flight,
        start_unix_ns=min(a.start_unix_ns, b.start_unix_ns),
    )
