"""What a sink is: where series are written, and what it says became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..model.series import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Points that the sink's other end refused for good, and why."""

    reason: str
    count: int = 1
    series: Series | None = None  # None where the answer does not tell which


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """What became of the series of one write.

    Args:
        sent: points acknowledged.
        rejected: refused for good; sending them again would fail again.
        retry: not delivered, but may be later. Points are cumulative, so the next write's newer ones stand
            for these.
        held_s: seconds after which the series that are written too often may be written again; 0 when there
            is none.
        errors: one sentence for each call that failed.
    """

    sent: int = 0
    rejected: tuple[Rejection, ...] = ()
    retry: tuple[Series, ...] = ()
    held: tuple[Series, ...] = ()
    held_s: float = 0.0
    errors: tuple[str, ...] = field(default=())

    @property
    def undelivered(self) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
        """Name and labels of the series that are left to try."""
        return {(one.metric.name, one.labels) for one in (*self.retry, *self.held)}

    @property
    def is_complete(self) -> bool:
        """Everything was acknowledged or refused for good: nothing is left to try."""
        return not self.retry and not self.held


class Sink(Protocol):
    """Where series go. Opened at first use; used by one thread at a time.

    Attributes:
        spacing_s: least time between the dates of two points of a series.
    """

    @property
    def spacing_s(self) -> float: ...

    def write(self, series: Sequence[Series], *, timeout_s: float, final: bool = False) -> WriteResult:
        """Deliver what can be delivered within the time; errors are in the result, not raised.

        Args:
            final: nothing comes after this write, so it may bend what only protects a later one.
        """

    def close(self) -> None:
        """Let go of connections; a later write opens them again."""
