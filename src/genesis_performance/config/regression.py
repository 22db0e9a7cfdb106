"""Settings of the regression detection."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from .section import PositiveInt, Section


class RegressionSection(Section, frozen=True, kw_only=True):
    """What counts as a regression.

    Args:
        min_effect_ratio: a change smaller than this is not worth a verdict (0.05 is 5 %).
        confidence: probability above which a verdict is ``regressed``; below ``1 - confidence`` it is
            ``pass``, between the two ``inconclusive``.
        min_samples: fewer on either side is ``inconclusive``.
    """

    NAME: ClassVar[str] = "regression"

    min_effect_ratio: Annotated[float, Meta(ge=0, le=1)] = 0.05
    confidence: Annotated[float, Meta(gt=0.5, lt=1)] = 0.95
    min_samples: PositiveInt = 8
