"""Grades A to F: how a result stands against its targets, or else its baseline, noise held against it.

With targets, of each the share ``measured / target`` is taken and the largest counts, times
``1 + noise_ratio``. Without targets but with a baseline, ``median / baseline median`` counts, times
``1 + noise_ratio``. The grade is the first row whose limit that does not exceed:

=====  =======  ========
grade  targets  baseline
=====  =======  ========
A      0.80     0.90
B      0.90     1.05
C      1.00     1.10
D      1.25     1.25
F      above    above
=====  =======  ========

So A, B and C mean that every target is met beyond the noise, and D that one is missed by less than a quarter,
or met only within the noise. With neither targets nor baseline there is no grade.
"""

from __future__ import annotations

from collections.abc import Mapping

TARGET_LIMITS = {"A": 0.80, "B": 0.90, "C": 1.00, "D": 1.25}
BASELINE_LIMITS = {"A": 0.90, "B": 1.05, "C": 1.10, "D": 1.25}


def missed_targets(measured_ms: Mapping[str, float], targets_ms: Mapping[str, float]) -> tuple[str, ...]:
    """One sentence for each target that is missed."""
    return tuple(
        f"{name} is {measured_ms[name]:.4g} ms, the target is {target:g} ms"
        for name, target in targets_ms.items()
        if measured_ms[name] > target
    )


def grade(
    measured_ms: Mapping[str, float],
    targets_ms: Mapping[str, float],
    noise_ratio: float,
    median_ms: float,
    baseline_median_ms: float | None,
) -> tuple[str | None, str]:
    """The grade, and why it is that."""
    if targets_ms:
        worst = max(targets_ms, key=lambda name: measured_ms[name] / targets_ms[name])
        share = measured_ms[worst] / targets_ms[worst]
        of = f"the target {worst} of {targets_ms[worst]:g} ms"
        limits = TARGET_LIMITS
    elif baseline_median_ms:
        share = median_ms / baseline_median_ms
        of = f"the baseline's median of {baseline_median_ms:.4g} ms"
        limits = BASELINE_LIMITS
    else:
        return None, "no target is set and there is no baseline"
    counted = share * (1 + noise_ratio)
    letter = next((letter for letter, limit in limits.items() if counted <= limit), "F")
    return letter, f"{share:.1%} of {of}, {counted:.1%} with a noise of {noise_ratio:.1%}"
