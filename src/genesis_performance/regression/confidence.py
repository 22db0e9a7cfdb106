"""The fitted coefficients of the confidence, and what is known of how well it holds.

``confidence.json`` is written by ``bench/regression/fit_confidence.py`` and holds coefficients only, no data.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..stats.two_sample import Coefficients


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Where the confidence was fitted, and how far off it was where it was not."""

    coefficients: Coefficients
    fitted_on: str  # ISO date
    pairs: int
    families: Mapping[str, float]  # name to the calibration error with that family left out
    error: float  # mean of those
    uncertain_error: float  # the same, only where a probability between 0.05 and 0.95 is stated
    lowest_effect: float  # minimum effects that it was fitted for
    highest_effect: float

    def describe(self, min_effect_ratio: float, *, live: bool = False) -> str:
        """One paragraph for ``RegressionResult.calibration``."""
        text = (
            f"Fitted on {self.fitted_on} on {self.pairs} pairs of equal benchmark runs with known slow-downs "
            f"({', '.join(self.families)}). Expected calibration error in a family that was left out: "
            f"{self.error:.3f} on average, {max(self.families.values()):.3f} at worst; "
            f"{self.uncertain_error:.3f} among probabilities between 0.05 and 0.95. "
            "It assumes that half of all comparisons have no change."
        )
        if live:
            text += " No live traffic was in it: there a change of the mix of requests counts as a change."
        if not self.lowest_effect <= min_effect_ratio <= self.highest_effect:
            text += (
                f" It does not apply: it was fitted for minimum effects from {self.lowest_effect:g} to "
                f"{self.highest_effect:g}, not {min_effect_ratio:g}."
            )
        return text


@functools.cache
def calibration() -> Calibration:
    document = json.loads(Path(__file__).with_name("confidence.json").read_text(encoding="utf-8"))
    return Calibration(
        coefficients=Coefficients(**document["coefficients"]),
        fitted_on=document["fitted_on"],
        pairs=document["pairs"],
        families={
            name: family["calibration_error_left_out"] for name, family in document["families"].items()
        },
        error=document["calibration_error_left_out_mean"],
        uncertain_error=document["calibration_error_left_out_uncertain_mean"],
        lowest_effect=min(document["min_effects"]),
        highest_effect=max(document["min_effects"]),
    )
