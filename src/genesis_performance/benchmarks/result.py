"""From measured values to a ``BenchmarkResult``."""

from __future__ import annotations

import statistics

from ..model.benchmark import BenchmarkResult
from ..stats.bootstrap import median_coverage, median_interval, median_ranks
from ..stats.quantiles import sorted_quantile
from .config import BenchmarkConfig
from .grade import grade, missed_targets
from .machine import this_machine
from .measure import Measurement

ONE_RUN = "measured as one run in this process: the variation between processes is not in the noise"


def result_of(
    config: BenchmarkConfig,
    measured: Measurement,
    *,
    warmup_iterations: int,
    confidence_level: float,
    start_unix_ns: int,
    baseline_median_ms: float | None,
    notes: tuple[str, ...] = (),
) -> BenchmarkResult:
    values = measured.values_ms
    ordered = sorted(values)
    median_ms = sorted_quantile(ordered, 0.5)
    low, high = median_interval(values, confidence_level)
    noise_ratio = (high - low) / 2 / median_ms if median_ms > 0 else 0.0
    measured_ms = {
        "avg": statistics.fmean(values),
        "p95": sorted_quantile(ordered, 0.95),
        "p99": sorted_quantile(ordered, 0.99),
    }
    missed = missed_targets(measured_ms, config.targets)
    letter, reason = grade(measured_ms, config.targets, noise_ratio, median_ms, baseline_median_ms)
    return BenchmarkResult(
        benchmark_name=config.benchmark_name,
        runs_ms=(tuple(values),),
        batch=measured.batch,
        warmup_iterations=warmup_iterations,
        median_ms=median_ms,
        mean_ms=measured_ms["avg"],
        stdev_ms=statistics.stdev(values) if len(values) > 1 else 0.0,
        min_ms=ordered[0],
        max_ms=ordered[-1],
        p95_ms=measured_ms["p95"],
        p99_ms=measured_ms["p99"],
        median_low_ms=low,
        median_high_ms=high,
        confidence_level=confidence_level,
        noise_ratio=noise_ratio,
        meets_targets=not missed if config.targets else None,
        missed_targets=missed,
        performance_grade=letter,
        grade_reason=reason,
        machine=this_machine(),
        start_unix_ns=start_unix_ns,
        notes=(ONE_RUN, *_about(config, measured, confidence_level), *notes),
    )


def _about(config: BenchmarkConfig, measured: Measurement, confidence_level: float) -> tuple[str, ...]:
    count = len(measured.values_ms)
    notes = []
    if measured.batch > 1:
        notes.append(
            f"each value is the mean of {measured.batch} iterations, less {measured.overhead_ns:.0f} ns that "
            "the loop and the call of an empty function take; quantiles are those of such means"
        )
    if measured.batch > 1 and not any(measured.values_ms):
        notes.append("the function takes no longer than an empty one: 0 is below what can be measured")
    coverage = median_coverage(count, *median_ranks(count, confidence_level))
    if coverage < confidence_level - 0.001:
        notes.append(
            f"{count} values: their extremes hold the median with {coverage:.0%}, not {confidence_level:.0%}"
        )
    if count < 100:
        notes.append(f"{count} values: p99 lies between the two largest")
    if config.disable_gc:
        notes.append("garbage collection was off")
    return tuple(notes)
