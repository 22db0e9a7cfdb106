"""What to do about a verdict, from what was measured and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..model.change import Verdict
from ..stats.two_sample import LOWEST_MS, Coefficients, Shift, probability_above, standard_error

TAIL_FACTOR = 2.0  # the 95th percentile moved at least this many times as far as the median: the tail's doing
MOST_RUNS = 20  # more than that nobody takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A comparison. Pairs are (baseline, current)."""

    operation_name: str
    verdict: Verdict
    change: float
    interval: tuple[float, float]
    medians: tuple[float, float]
    p95s: tuple[float, float]
    counts: tuple[int, int]
    runs: tuple[int, int]
    min_effect_ratio: float
    confidence: float
    min_samples: int
    shift: Shift
    coefficients: Coefficients
    live: bool


def recommendations(measured: Measured) -> tuple[str, ...]:
    if measured.verdict is Verdict.REGRESSED:
        return (_what_moved(measured), _where_to_look(measured))
    tail = (_tail(measured),) if _tail_alone(measured) else ()
    if measured.verdict is Verdict.INCONCLUSIVE:
        return (_more_data(measured), *tail)
    return tail


def _what_moved(m: Measured) -> str:
    return (
        f"{m.operation_name}: the typical duration went from {m.medians[0]:.4g} ms to {m.medians[1]:.4g} ms "
        f"({percent(m.change)}, 95 % interval {percent(m.interval[0])} to {percent(m.interval[1])})"
    )


def _where_to_look(m: Measured) -> str:
    median, p95 = _ratio(m.medians), _ratio(m.p95s)
    if p95 - 1 > TAIL_FACTOR * (median - 1):
        return (
            f"The 95th percentile moved more ({percent(p95 - 1)}) than the median ({percent(median - 1)}): "
            "look for what only some executions do, such as retries, lock waits, cache misses and garbage "
            "collections"
        )
    return (
        f"Median ({percent(median - 1)}) and 95th percentile ({percent(p95 - 1)}) moved together: look for "
        "work that every execution does since the change; a profile of both versions shows which frames grew"
    )


def _more_data(m: Measured) -> str:
    if min(m.counts) < m.min_samples:
        return f"Take at least {m.min_samples} values on each side; there are {m.counts[0]} and {m.counts[1]}"
    kind = "interval" if m.live else "run"
    needed = runs_needed(m)
    if needed is None:
        return (
            f"{MOST_RUNS} {kind}s a side would not decide it if the change stays at {percent(m.change)}: "
            f"lower the noise ({m.shift.noise:.1%} within a {kind}), or set another min_effect_ratio than "
            f"{m.min_effect_ratio:g}"
        )
    return (
        f"Take {needed} {kind}s on each side (there are {m.runs[0]} and {m.runs[1]}): if the change stays at "
        f"{percent(m.change)}, that decides it. More values within one {kind} do not help as much"
    )


def runs_needed(m: Measured) -> int | None:
    """Runs a side that would give a verdict if shift, noise and variation stayed as they are."""
    error, _ = standard_error(m.shift, m.coefficients)
    between = max(0.0, (error**2 - m.shift.within_variance) / m.shift.run_weight)
    for runs in range(max(m.runs) + 1, MOST_RUNS + 1):
        more = replace(
            m.shift,
            run_weight=2 / runs,
            within_variance=m.shift.within_variance * (2 / runs) / m.shift.run_weight,
            run_degrees=2 * runs - 2,
            run_squares=between * (2 * runs - 2),
        )
        probability = probability_above(more, m.min_effect_ratio, m.coefficients)
        if not 1 - m.confidence < probability < m.confidence:
            return runs
    return None


def _tail_alone(m: Measured) -> bool:
    """The verdict is on the typical duration; a tail that grew must not hide behind it."""
    return _ratio(m.p95s) - 1 > max(TAIL_FACTOR * m.min_effect_ratio, TAIL_FACTOR * (_ratio(m.medians) - 1))


def _tail(m: Measured) -> str:
    return (
        f"The 95th percentile went from {m.p95s[0]:.4g} ms to {m.p95s[1]:.4g} ms "
        f"({percent(_ratio(m.p95s) - 1)}); the verdict is on the typical duration and does not cover it"
    )


def _ratio(pair: tuple[float, float]) -> float:
    return max(pair[1], LOWEST_MS) / max(pair[0], LOWEST_MS)


def percent(change: float) -> str:
    """A relative change as people read it."""
    return f"{change:+.1%}" if change < 10 else f"{change + 1:.3g} times"
