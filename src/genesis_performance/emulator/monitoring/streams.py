"""Aligned and reduced time series: what aggregation makes of stored ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .series import Value


class Source(Protocol):
    """A series or a stream: points in order of time, and what they are points of."""

    @property
    def metric_type(self) -> str: ...
    @property
    def resource_type(self) -> str: ...
    @property
    def starts(self) -> Sequence[int]: ...
    @property
    def ends(self) -> Sequence[int]: ...
    @property
    def values(self) -> Sequence[Value]: ...

    metric_labels: dict[str, str]
    resource_labels: dict[str, str]
    kind: int
    value_type: int


@dataclass(slots=True)
class Stream:
    """A time series that is not stored: points in order of time."""

    metric_type: str
    metric_labels: dict[str, str]
    resource_type: str
    resource_labels: dict[str, str]
    kind: int
    value_type: int
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    def add(self, start_ns: int, end_ns: int, value: Value) -> None:
        self.starts.append(start_ns)
        self.ends.append(end_ns)
        self.values.append(value)

    def group(self) -> tuple[object, ...]:
        """What tells this stream from the others of one query; the metric type is not part of it."""
        return (
            self.resource_type,
            tuple(sorted(self.resource_labels.items())),
            tuple(sorted(self.metric_labels.items())),
        )
