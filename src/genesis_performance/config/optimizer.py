"""Settings of the optimizer."""

from __future__ import annotations

from typing import ClassVar

from .section import Positive, PositiveInt, Section


class OptimizerSection(Section, frozen=True, kw_only=True):
    """Defaults of the optimization plan.

    Args:
        max_recommendations: in one plan.
        max_total_effort_hours: of one plan.
    """

    NAME: ClassVar[str] = "optimizer"

    max_recommendations: PositiveInt = 10
    max_total_effort_hours: Positive = 40.0
