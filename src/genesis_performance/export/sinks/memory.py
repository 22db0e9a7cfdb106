"""A sink that keeps the newest point of each series: for local mode, and for tests instead of a mock."""

from __future__ import annotations

from collections.abc import Sequence

from ...model.series import Distribution, Series
from ..labels import Labels
from ..sink import WriteResult


class MemorySink:
    """Series in memory.

    Attributes:
        series: metric name and labels to the newest series written.
        writes: how often something was written.
        results: answered, first one first, instead of taking the series: to play a failing sink.
    """

    spacing_s = 0.0

    def __init__(self, *results: WriteResult | Exception) -> None:
        self.series: dict[tuple[str, Labels], Series] = {}
        self.writes = 0
        self.is_closed = False
        self.results = list(results)

    def write(self, series: Sequence[Series], *, timeout_s: float, final: bool = False) -> WriteResult:
        del timeout_s, final
        self.writes += 1
        if self.results:
            result = self.results.pop(0)
            if isinstance(result, Exception):
                raise result
            return result
        for one in series:
            self.series[one.metric.name, one.labels] = one
        return WriteResult(sent=sum(len(one.points) for one in series))

    def value(self, name: str, **labels: str) -> float | int | Distribution:
        """The newest value of the one series of this metric that has these labels.

        Raises:
            LookupError: there is none, or more than one.
        """
        wanted = labels.items()
        found = [
            s for (metric, own), s in self.series.items() if metric == name and wanted <= dict(own).items()
        ]
        if len(found) != 1:
            raise LookupError(f"{len(found)} series of {name} with {labels}")
        return found[0].points[-1].value

    def close(self) -> None:
        self.is_closed = True
