"""A sink that sends nothing: metrics stay in this process."""

from __future__ import annotations

from collections.abc import Sequence

from ...model.series import Series
from ..sink import WriteResult


class NoSink:
    """Says of every write that nothing was sent."""

    spacing_s = 0.0

    def write(self, series: Sequence[Series], *, timeout_s: float, final: bool = False) -> WriteResult:
        del series, timeout_s, final
        return WriteResult()

    def close(self) -> None:
        """Nothing to let go of."""
