"""Settings of the benchmarks."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from .section import NotNegativeInt, PositiveInt, Section


class BenchmarksSection(Section, frozen=True, kw_only=True):
    """Defaults for every benchmark that does not set its own.

    Args:
        default_iterations: measured iterations.
        warmup_iterations: iterations before them that are not measured.
        confidence_level: of the interval of the median.
        enable_cloud_monitoring: send the results as metrics.
    """

    NAME: ClassVar[str] = "benchmarks"

    default_iterations: PositiveInt = 50
    warmup_iterations: NotNegativeInt = 5
    confidence_level: Annotated[float, Meta(gt=0.5, lt=1)] = 0.95
    enable_cloud_monitoring: bool = False
