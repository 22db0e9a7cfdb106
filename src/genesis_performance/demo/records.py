"""What the history store holds of a service: intervals of its operations, and calls that repeated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..model.operation import Histogram, OperationSnapshot, RepeatedCall
from ..stats.histogram import merge, quantile
from ..storage import Kind, Store, from_body


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What one process recorded of one operation from ``begin_unix_ns`` to ``end_unix_ns``."""

    release: str
    begin_unix_ns: int
    end_unix_ns: int
    snapshot: OperationSnapshot

    @property
    def p95_ms(self) -> float:
        return quantile_ms(self.snapshot, 0.95)


def intervals(
    store: Store, service: str, *, release: str | None = None, since_unix_ns: int = 0
) -> list[Interval]:
    """The service's intervals, oldest first."""
    found = []
    for record in store.list(Kind.OPERATION, since_unix_ns=since_unix_ns or None, newest_first=False):
        body: dict[str, Any] = record.body
        if body["service"] == service and release in {None, body["release"]}:
            found.append(
                Interval(
                    release=body["release"],
                    begin_unix_ns=body["begin_unix_ns"],
                    end_unix_ns=body["end_unix_ns"],
                    snapshot=from_body(OperationSnapshot, body["snapshot"]),
                )
            )
    return found


def operation_intervals(store: Store, service: str, operation: str, release: str) -> list[OperationSnapshot]:
    """The intervals of one operation in one release, oldest first."""
    found = intervals(store, service, release=release)
    return [one.snapshot for one in found if one.snapshot.name == operation]


def merged(found: Iterable[Interval]) -> list[OperationSnapshot]:
    """One snapshot an operation, in order of name; it starts with the operation's first interval."""
    totals: dict[str, OperationSnapshot] = {}
    for one in found:
        new = replace(one.snapshot, start_unix_ns=one.begin_unix_ns)
        old = totals.get(new.name)
        totals[new.name] = new if old is None else _sum(old, new)
    return [totals[name] for name in sorted(totals)]


def repeated_calls(store: Store, service: str, release: str | None = None) -> list[RepeatedCall]:
    """The calls that repeated within one execution, of one release or of all."""
    return [
        from_body(RepeatedCall, record.body["call"])
        for record in store.list(Kind.REPEATED_CALL)
        if record.body["service"] == service and release in {None, record.body["release"]}
    ]


def quantile_ms(snapshot: OperationSnapshot, q: float) -> float:
    if not snapshot.count:
        return 0.0
    return quantile(snapshot.histogram.counts, q, min_ns=snapshot.min_ns, max_ns=snapshot.max_ns) / 1e6


def _sum(a: OperationSnapshot, b: OperationSnapshot) -> OperationSnapshot:
    return replace(
        a,
        count=a.count + b.count,
        errors=a.errors + b.errors,
        error_types=merge_counts(a.error_types, b.error_types),
        sum_ns=a.sum_ns + b.sum_ns,
        min_ns=min(a.min_ns, b.min_ns),
        max_ns=max(a.max_ns, b.max_ns),
        histogram=Histogram(merge(a.histogram.counts, b.histogram.counts)),
        cpu_ns=None if a.cpu_ns is None or b.cpu_ns is None else a.cpu_ns + b.cpu_ns,
        cpu_samples=a.cpu_samples + b.cpu_samples,
        in_flight=b.in_flight,
        start_unix_ns=min(a.start_unix_ns, b.start_unix_ns),
    )


def merge_counts(a: Any, b: Any) -> dict[str, int]:
    return {name: a.get(name, 0) + b.get(name, 0) for name in {**a, **b}}
