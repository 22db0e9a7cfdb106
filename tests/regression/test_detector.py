"""Baselines and verdicts: what is a regression, what is not, and what can not be told."""

import json
import math
import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from genesis_performance.errors import ConfigurationError, InvalidInputError, NoDataError
from genesis_performance.model.change import RegressionSeverity, Verdict
from genesis_performance.model.operation import Histogram, OperationSnapshot
from genesis_performance.regression import RegressionDetector
from genesis_performance.stats.histogram import bucket_index
from genesis_performance.storage import Kind, Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/history.db") as store:
        yield store


@pytest.fixture
def detector(store: Store) -> RegressionDetector:
    return RegressionDetector(store, min_effect_ratio=0.05, confidence=0.95, min_samples=8, clock=lambda: 77)


def run(middle_ms: float, seed: int, noise: float = 0.03, count: int = 40) -> list[float]:
    drawn = random.Random(seed)
    return [middle_ms * math.exp(drawn.gauss(0, noise)) for _ in range(count)]


def runs(middle_ms: float, seed: int, between: float = 0.01, count: int = 3) -> list[list[float]]:
    """Runs of one program that differ a little, as processes do."""
    drawn = random.Random(seed)
    return [run(middle_ms * math.exp(drawn.gauss(0, between)), seed * 100 + n) for n in range(count)]


def snapshot(values_ms: list[float], name: str = "checkout") -> OperationSnapshot:
    counts: dict[int, int] = {}
    for value in values_ms:
        index = bucket_index(int(value * 1e6))
        counts[index] = counts.get(index, 0) + 1
    return OperationSnapshot(
        name=name,
        count=len(values_ms),
        errors=0,
        sum_ns=int(sum(values_ms) * 1e6),
        min_ns=int(min(values_ms, default=0) * 1e6),
        max_ns=int(max(values_ms, default=0) * 1e6),
        histogram=Histogram(counts),
        cpu_ns=None,
        start_unix_ns=1,
    )


def test_twice_as_slow_is_a_critical_regression(detector: RegressionDetector) -> None:
    detector.create_baseline("checkout", runs(10, 1))
    result = detector.detect_regression("checkout", runs(20, 2))
    assert result.has_regression
    assert result.verdict is Verdict.REGRESSED
    assert result.regression_severity is RegressionSeverity.CRITICAL
    assert result.confidence_score > 0.95
    assert result.change_low < 1.0 < result.change_high
    assert result.change_ratio == pytest.approx(1.0, abs=0.05)


def test_the_same_program_passes(detector: RegressionDetector) -> None:
    detector.create_baseline("checkout", runs(10, 1))
    result = detector.detect_regression("checkout", runs(10, 2))
    assert result.verdict is Verdict.PASS
    assert not result.has_regression
    assert result.regression_severity is RegressionSeverity.NONE
    assert result.confidence_score < 0.05


def test_a_faster_program_passes(detector: RegressionDetector) -> None:
    result = detector.compare("checkout", runs(10, 1), runs(5, 2))
    assert result.verdict is Verdict.PASS
    assert result.change_ratio == pytest.approx(-0.5, abs=0.05)


def test_one_run_a_side_shows_a_slow_down_by_half(detector: RegressionDetector) -> None:
    result = detector.compare("checkout", run(10, 1), run(15, 2))
    assert result.verdict is Verdict.REGRESSED
    assert any("one run a side" in note for note in result.notes)


def test_a_change_near_the_minimum_effect_is_inconclusive_and_says_how_many_runs_to_take(
    detector: RegressionDetector,
) -> None:
    result = detector.compare("checkout", run(10, 1), run(10.9, 2))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "runs on each side (there are 1 and 1)" in result.recommendations[0]


def test_the_runs_that_it_asks_for_decide_it(detector: RegressionDetector) -> None:
    result = detector.compare("checkout", run(10, 1), run(10.9, 2))
    wanted = int(result.recommendations[0].split()[1])
    more = detector.compare(
        "checkout", runs(10, 1, between=0.002, count=wanted), runs(10.9, 2, between=0.002, count=wanted)
    )
    assert more.verdict is Verdict.REGRESSED


def test_a_change_exactly_at_the_minimum_effect_asks_for_less_noise(detector: RegressionDetector) -> None:
    baseline = run(10, 1)
    result = detector.compare("checkout", baseline, [value * 1.05 for value in baseline])
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "would not decide it" in result.recommendations[0]


def test_few_values_are_inconclusive_and_say_how_many_are_needed(detector: RegressionDetector) -> None:
    result = detector.compare("checkout", [1.0, 1.1], [9.0, 9.1, 9.2])
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.recommendations == ("Take at least 8 values on each side; there are 2 and 3",)
    assert any("2 baseline and 3 current values" in note for note in result.notes)


def test_a_tail_that_grew_alone_is_told_although_the_verdict_is_pass(detector: RegressionDetector) -> None:
    slow_tail = [[*values[:-4], 40.0, 41.0, 42.0, 43.0] for values in runs(10, 2)]
    result = detector.compare("checkout", runs(10, 1), slow_tail)
    assert result.verdict is Verdict.PASS
    assert any("95th percentile went from" in text for text in result.recommendations)


def test_a_regression_of_the_tail_is_told_from_one_of_everything(detector: RegressionDetector) -> None:
    all_moved = detector.compare("a", runs(10, 1), runs(15, 2)).recommendations
    slow_tail = [[*values[:-8], *[90.0] * 8] for values in runs(15, 2)]
    tail_moved = detector.compare("a", runs(10, 1), slow_tail).recommendations
    assert "moved together" in all_moved[1]
    assert "only some executions" in tail_moved[1]


@pytest.mark.parametrize(
    ("factor", "severity"),
    [(1.15, RegressionSeverity.MINOR), (1.3, RegressionSeverity.MAJOR), (1.6, RegressionSeverity.CRITICAL)],
)
def test_the_severity_follows_the_change(
    detector: RegressionDetector, factor: float, severity: RegressionSeverity
) -> None:
    baseline = runs(10, 1, between=0.001)
    result = detector.compare("a", baseline, [[factor * value for value in each] for each in baseline])
    assert result.regression_severity is severity


def test_equal_programs_are_hardly_ever_called_regressed(detector: RegressionDetector) -> None:
    called = sum(
        detector.compare("a", runs(10, seed, 0.015, 1), runs(10, seed + 1000, 0.015, 1)).has_regression
        for seed in range(1, 201)
    )
    assert called <= 4  # 2 %


def test_a_slow_down_by_half_is_nearly_always_called(detector: RegressionDetector) -> None:
    called = sum(
        detector.compare("a", runs(10, seed, 0.015, 1), runs(15, seed + 1000, 0.015, 1)).has_regression
        for seed in range(1, 101)
    )
    assert called >= 95


def test_the_calibration_says_where_it_comes_from(detector: RegressionDetector) -> None:
    calibration = detector.compare("a", run(1, 1), run(1, 2)).calibration
    assert "pairs of equal benchmark runs" in calibration
    assert "calibration error in a family that was left out" in calibration
    assert "does not apply" not in calibration


def test_a_minimum_effect_that_was_not_fitted_is_told(store: Store) -> None:
    calibration = (
        RegressionDetector(store, min_effect_ratio=0.6).compare("a", run(1, 1), run(1, 2)).calibration
    )
    assert "does not apply" in calibration


def test_a_missing_baseline_is_an_error_with_the_remedy(detector: RegressionDetector) -> None:
    with pytest.raises(NoDataError, match=r"no baseline of 'search'.*create_baseline\('search'"):
        detector.detect_regression("search", [1.0])


def test_a_baseline_keeps_its_runs_and_replaces_the_earlier_one(detector: RegressionDetector) -> None:
    detector.create_baseline("a", [1.0])
    made = detector.create_baseline("a", [[1, 2], [3]], environment={"python": "3.11"})
    assert made.runs_ms == ((1.0, 2.0), (3.0,))
    assert made.samples_ms == (1.0, 2.0, 3.0)
    assert made.created_unix_ns == 77
    assert detector.baselines() == {"a": made}


def test_a_deleted_baseline_is_gone(detector: RegressionDetector) -> None:
    detector.create_baseline("a", [1.0])
    assert detector.delete_baseline("a")
    assert not detector.delete_baseline("a")
    assert detector.baselines() == {}


def test_another_environment_is_noted(detector: RegressionDetector) -> None:
    detector.create_baseline("a", run(1, 1), environment={"python": "3.11", "node": "x"})
    result = detector.detect_regression("a", run(1, 2), environment={"python": "3.13", "other": "y"})
    assert any("python '3.11', this is '3.13'" in note for note in result.notes)


def test_a_long_run_is_kept_as_ten_thousand_values(detector: RegressionDetector) -> None:
    made = detector.create_baseline("a", (float(value) for value in range(100_000)))
    assert len(made.samples_ms) == 10_000
    assert made.samples_ms[5000] == pytest.approx(50_005, abs=10)


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [[]],
        "12345",
        b"12",
        5,
        None,
        {"a": 1},
        [1.0, float("nan")],
        [float("inf")],
        [-1.0],
        ["1.0"],
        [True],
        [None],
        [10**400],
        [1.0, [2.0]],
        [[1.0], 2.0],
        [Decimal(1)],
        [[[1.0]]],
    ],
)
def test_samples_that_can_not_be_durations_are_refused(detector: RegressionDetector, samples: Any) -> None:
    with pytest.raises(InvalidInputError, match="duration_samples"):
        detector.create_baseline("a", samples)
    assert detector.baselines() == {}


def test_the_message_names_the_place_of_the_wrong_value(detector: RegressionDetector) -> None:
    with pytest.raises(InvalidInputError, match=r"current_samples\[1\]\[2\] is nan"):
        detector.detect_regression("a", [[1.0], [1.0, 2.0, float("nan")]])


@pytest.mark.parametrize("name", ["", None, 5])
def test_a_name_that_is_no_text_is_refused(detector: RegressionDetector, name: Any) -> None:
    with pytest.raises(InvalidInputError, match="operation_name"):
        detector.create_baseline(name, [1.0])


@pytest.mark.parametrize(
    "values",
    [
        {"confidence": 1.0},
        {"confidence": 0.5},
        {"min_effect_ratio": -0.1},
        {"min_effect_ratio": float("nan")},
        {"min_samples": 0},
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(values))):
        RegressionDetector(**values)


def test_zero_durations_and_numpy_arrays_are_accepted(detector: RegressionDetector) -> None:
    np = pytest.importorskip("numpy")
    result = detector.compare("a", np.zeros(20), np.array([np.arange(10), np.arange(10)]))
    assert result.verdict in Verdict
    assert math.isfinite(result.confidence_score)
    json.dumps(result.change_high, allow_nan=False)


def test_a_change_of_many_times_is_told_in_times(detector: RegressionDetector) -> None:
    result = detector.compare("a", [0.0] * 30, [1.0] * 30)
    assert "1e+06 times" in result.recommendations[0]
    assert "1e+06 times" in result.recommendations[1]


def test_constructing_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with RegressionDetector() as detector:
        detector.compare("a", run(1, 1), run(1, 2))
    assert list(tmp_path.iterdir()) == []


def test_the_history_store_of_the_settings_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from genesis_performance import config

    monkeypatch.chdir(tmp_path)
    config.reset(config.load(environ={}))
    try:
        with RegressionDetector() as detector:
            detector.create_baseline("a", [1.0])
        with open_store() as store:
            assert store.list(Kind.BASELINE)[0].key == "a"
    finally:
        config.reset()


def test_a_live_operation_that_became_slower_is_found(detector: RegressionDetector) -> None:
    before = [snapshot(values) for values in runs(30, 1)]
    after = [snapshot(values) for values in runs(90, 2)]
    result = detector.compare_snapshots(before, after)
    assert result.has_regression
    assert result.operation_name == "checkout"
    assert (result.baseline_count, result.current_count) == (120, 120)
    assert "No live traffic" in result.calibration


def test_a_live_operation_that_stayed_passes(detector: RegressionDetector) -> None:
    before = [snapshot(values) for values in runs(30, 1)]
    after = [snapshot(values) for values in runs(30, 2)]
    assert detector.compare_snapshots(before, after).verdict is Verdict.PASS


def test_single_snapshots_are_compared_too(detector: RegressionDetector) -> None:
    result = detector.compare_snapshots(snapshot(run(30, 1, count=2000)), snapshot(run(60, 2, count=2000)))
    assert result.has_regression
    assert result.change_ratio == pytest.approx(1.0, abs=0.03)


def test_an_operation_that_recorded_nothing_is_an_error(detector: RegressionDetector) -> None:
    with pytest.raises(NoDataError, match="baseline recorded no execution"):
        detector.compare_snapshots(snapshot([]), snapshot([1.0]))
    with pytest.raises(NoDataError, match="recorded no execution"):
        detector.compare_snapshots([], [])


def test_different_operations_are_not_compared(detector: RegressionDetector) -> None:
    with pytest.raises(InvalidInputError, match="different operations"):
        detector.compare_snapshots(snapshot([1.0]), snapshot([1.0], name="search"))
