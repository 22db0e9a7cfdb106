"""The optimizer: metrics in, recommendations with evidence out, states kept, a plan made of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.errors import ConfigurationError, InvalidInputError, StateError, UnknownNameError
from genesis_performance.model.advice import RecommendationState
from genesis_performance.model.operation import Histogram, OperationSnapshot, RepeatedCall
from genesis_performance.model.series import Metric, MetricKind, Point, Series
from genesis_performance.operations import Recorder, note_call, recorders, register
from genesis_performance.optimizer import PerformanceOptimizer
from genesis_performance.optimizer.facts import METRICS
from genesis_performance.storage import Kind, Store, open_store

STARTED_NS = 1_800_000_000 * 10**9
HOUR_NS = 3600 * 10**9

SLOW = {
    "request_count": 120_000,
    "p50_latency_ms": 180.0,
    "p95_latency_ms": 900.0,
    "p99_latency_ms": 1500.0,
    "cpu_utilization": 0.08,
    "memory_utilization": 0.4,
    "error_rate": 0.001,
    "instance_count": 3,
    "cold_start_rate": 0.001,
}
FINE = SLOW | {"p95_latency_ms": 300.0, "p99_latency_ms": 400.0}


def operation(name: str = "POST /checkout", **more: Any) -> OperationSnapshot:
    values: dict[str, Any] = {
        "name": name,
        "count": 500,
        "errors": 0,
        "sum_ns": 500 * 40_000_000,
        "min_ns": 1,
        "max_ns": 90_000_000,
        "histogram": Histogram(),
        "cpu_ns": 500 * 2_000_000,
        "start_unix_ns": STARTED_NS,
    }
    return OperationSnapshot(**(values | more))


REPEAT = RepeatedCall(
    operation="POST /checkout",
    kind="secret read",
    key="tax-api-key",
    file="shop/checkout.py",
    line=42,
    function="price_line",
    executions=500,
    calls=4000,
    most=12,
    duration_ns=4000 * 3_000_000,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/history.db") as opened:
        yield opened


def optimizer(store: Store, *, operations: Any = (), repeats: Any = ()) -> PerformanceOptimizer:
    return PerformanceOptimizer(
        store=store,
        operations=lambda: operations,
        repeated_calls=lambda: repeats,
        clock_ns=lambda: STARTED_NS + HOUR_NS,
    )


async def test_a_slow_service_that_waits_gets_advice_with_evidence(store: Store) -> None:
    advice = await optimizer(store).analyze_service_performance("shop", "cloud_run", SLOW)
    assert [r.rule for r in advice] == ["optimizer/io-bound-latency"]
    assert {e.name: e.value for e in advice[0].findings[0].evidence}["p95_latency_ms"] == 900.0
    assert advice[0].saving is None, "nothing measured says what it is worth"


def test_a_service_in_a_good_state_gets_none_and_says_what_was_examined(store: Store) -> None:
    advice = optimizer(store).analyze_service_performance_sync("shop", "cloud_run", FINE)
    assert advice == []
    assert "optimizer/io-bound-latency" in advice.examined
    skipped = {s.rule: s.reason for s in advice.skipped}
    assert skipped["optimizer/idle-memory"] == "needs memory_gib, memory_utilization_max"
    assert skipped["optimizer/identical-reads"] == "needs repeated_calls"


def test_the_operations_that_wait_most_are_evidence(store: Store) -> None:
    given_operations = [operation(), operation("GET /", cpu_ns=None), operation("GET /fast", sum_ns=10**9)]
    advice = optimizer(store, operations=given_operations).analyze_service_performance_sync(
        "shop", "cloud_run", SLOW
    )
    waits = {e.source: e.value for e in advice[0].findings[0].evidence if e.name.startswith("off_cpu")}
    assert waits == {"operation POST /checkout": 38.0}


def test_identical_reads_name_the_line_the_gain_and_the_money(store: Store) -> None:
    advice = optimizer(store, operations=[operation()], repeats=[REPEAT]).analyze_service_performance_sync(
        "shop", "cloud_run", FINE
    )
    assert len(advice) == 1
    found = advice[0].findings[0]
    assert (found.file, found.line, found.resource) == ("shop/checkout.py", 42, "POST /checkout")
    # 3 ms a call: one too many at best, 7 on average (4000 / 500 - 1), 11 in the worst execution.
    assert advice[0].latency_gain_ms == pytest.approx((3.0, 21.0, 33.0))
    # 4000 accesses an hour are 2,920,000 a month of 730 hours, once each 365,000; 10,000 are free in both.
    saving = advice[0].saving
    assert saving is not None
    assert saving.expected.amount == Decimal(2_920_000 - 365_000) * Decimal("0.000003")
    assert saving.low < saving.expected < saving.high
    assert "2920000" in saving.formula
    assert "as of" in saving.basis


def test_reads_from_a_cache_in_the_process_are_no_waste(store: Store) -> None:
    cached = replace(REPEAT, duration_ns=5_000_000)  # one miss of 5 ms, the rest took no time
    part = optimizer(store, operations=[operation()], repeats=[cached])
    assert part.analyze_service_performance_sync("shop", "cloud_run", FINE) == []


def test_a_rate_over_a_few_seconds_is_not_made_a_month(store: Store) -> None:
    late = [operation(start_unix_ns=STARTED_NS + HOUR_NS - 5 * 10**9)]
    advice = optimizer(store, operations=late, repeats=[REPEAT]).analyze_service_performance_sync(
        "shop", "cloud_run", FINE
    )
    assert advice[0].saving is None
    assert advice[0].latency_gain_ms is not None


def test_a_repeat_without_a_price_has_a_gain_and_no_money(store: Store) -> None:
    query = replace(REPEAT, kind="database query")
    advice = optimizer(store, operations=[operation()], repeats=[query]).analyze_service_performance_sync(
        "shop", "cloud_run", FINE
    )
    assert advice[0].saving is None
    assert advice[0].latency_gain_ms is not None


def test_the_recorders_of_this_process_are_read_by_default(store: Store) -> None:
    recorder = Recorder()
    register(recorder)
    for _ in range(3):
        with recorder.operation("optimizer-default-test"):
            for _ in range(4):
                note_call("secret read", "k", 1_000_000)
    assert recorder in recorders()
    advice = PerformanceOptimizer(store=store).analyze_service_performance_sync("shop", "cloud_run", FINE)
    mine = [r for r in advice if r.resource == "optimizer-default-test"]
    assert len(mine) == 1
    assert mine[0].findings[0].file == __file__


def test_cpu_is_resized_with_a_saving_that_can_be_done_again_by_hand(store: Store) -> None:
    metered = {
        "vcpu": 4,
        "memory_gib": 2,
        "cpu_utilization": 0.06,
        "cpu_utilization_p99": 0.25,
        "billable_instance_seconds": 730 * 3600,
        "window_s": 730 * 3600,
    }
    advice = optimizer(store).analyze_service_performance_sync("shop", "cloud_run", FINE | metered)
    resize = next(r for r in advice if r.rule == "optimizer/idle-cpu")
    assert resize.commands == ("gcloud run services update shop --cpu=2",)
    assert resize.saving is not None
    # The free tier is inside both bills, so it cancels out: 2 vCPU x 2,628,000 s x 0.000024.
    assert resize.saving.expected.amount == Decimal("126.144")
    # All CPU work twice as long: 6 % more time, at 2 vCPU and 2 GiB.
    longer = Decimal("0.06") * 2_628_000 * 2 * (Decimal("0.000024") + Decimal("0.0000025"))
    assert resize.saving.low.amount == Decimal("126.144") - longer


def test_an_unknown_region_costs_the_saving_and_not_the_advice(store: Store) -> None:
    metrics = FINE | {
        "vcpu": 4,
        "cpu_utilization_p99": 0.2,
        "billable_instance_seconds": 1000,
        "window_s": 3600,
        "region": "mars-north1",
    }
    advice = optimizer(store).analyze_service_performance_sync("shop", "cloud_run", metrics)
    assert next(r for r in advice if r.rule == "optimizer/idle-cpu").saving is None


def test_unknown_metrics_are_reported_with_the_nearest_name(store: Store) -> None:
    advice = optimizer(store).analyze_service_performance_sync(
        "shop", "cloud_run", FINE | {"p95_latency": 3, "colour": "red"}
    )
    assert advice.unknown_metrics == ("p95_latency (did you mean p95_latency_ms?)", "colour")


def test_the_series_of_a_monitor_are_metrics_too(store: Store) -> None:
    def series(name: str, value: float, service: str = "shop", at: int = 2) -> Series:
        metric = Metric(name=name, kind=MetricKind.GAUGE, value_type="DOUBLE", unit="1")
        return Series(
            metric=metric, labels=(("service", service),), points=(Point(end_unix_ns=at, value=value),)
        )

    recorded = [
        *(series(name, value) for name, value in SLOW.items()),
        series("p95_latency_ms", 1.0, at=1),
        series("p95_latency_ms", 1.0, service="other", at=3),
    ]
    advice = optimizer(store).analyze_service_performance_sync("shop", "cloud_run", recorded)
    assert [r.rule for r in advice] == ["optimizer/io-bound-latency"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("p95_latency_ms", -1, r"p95_latency_ms is -1; it must be a finite number from 0 to 1e\+15 ms"),
        ("cpu_utilization", 1.5, r"cpu_utilization is 1\.5; .* from 0 to 1 ratio"),
        ("error_rate", math.nan, r"error_rate is nan"),
        ("request_count", math.inf, r"request_count is inf"),
        ("request_count", 10**400, r"request_count is 1000"),
        ("request_count", True, r"request_count is True; it must be a number"),
        ("error_rate", "0.1", r"error_rate is '0\.1'; it must be a number"),
        ("window_s", 0, r"window_s is 0"),
        ("billable_instance_seconds", 1e300, r"billable_instance_seconds is 1e\+300"),
        ("billing_mode", "free", r"billing_mode is 'free'; it must be 'request' or 'instance'"),
        ("p50_latency_ms", 1600, r"p50_latency_ms is 1600, above p95_latency_ms, 900"),
        ("cpu_utilization_p99", 0.01, r"cpu_utilization is 0\.08, above cpu_utilization_p99"),
    ],
)
def test_an_impossible_value_is_an_error_that_names_key_value_and_range(
    store: Store, name: str, value: Any, expected: str
) -> None:
    with pytest.raises(InvalidInputError, match=expected):
        optimizer(store).analyze_service_performance_sync("shop", "cloud_run", SLOW | {name: value})


@pytest.mark.parametrize("metrics", [None, 5, "p95_latency_ms", b"x", [1]])
def test_metrics_are_a_mapping_or_series(store: Store, metrics: Any) -> None:
    with pytest.raises(InvalidInputError, match="give a mapping of names to values, or series"):
        optimizer(store).analyze_service_performance_sync("shop", "cloud_run", metrics)


def test_recorded_operations_that_can_not_be_read_cost_only_their_rules(store: Store) -> None:
    def broken() -> list[OperationSnapshot]:
        raise RuntimeError("gone")

    part = PerformanceOptimizer(store=store, operations=broken, repeated_calls=list)
    advice = part.analyze_service_performance_sync("shop", "cloud_run", SLOW)
    assert [r.rule for r in advice] == ["optimizer/io-bound-latency"]
    assert advice.notes == ("the recorded operations can not be read: RuntimeError: gone",)


def test_an_unknown_service_type_is_an_error_that_lists_the_known(store: Store) -> None:
    with pytest.raises(UnknownNameError, match="'lambda'; known are cloud_run"):
        optimizer(store).analyze_service_performance_sync("shop", "lambda", {})


@pytest.mark.parametrize("name", ["", "  ", None])
def test_a_service_needs_a_name(store: Store, name: Any) -> None:
    with pytest.raises(InvalidInputError, match="service_name"):
        optimizer(store).analyze_service_performance_sync(name, "cloud_run", {})


def test_a_service_name_can_not_smuggle_a_command(store: Store) -> None:
    metrics = FINE | {"vcpu": 4, "cpu_utilization_p99": 0.1}
    advice = optimizer(store).analyze_service_performance_sync("shop; rm -rf ~", "cloud_run", metrics)
    assert advice[0].commands == ("gcloud run services update 'shop; rm -rf ~' --cpu=1",)


def test_two_project_names_that_differ_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="differ"):
        PerformanceOptimizer("a", gcp_project_id="b")


def test_constructing_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    PerformanceOptimizer("p").close()
    assert list(tmp_path.iterdir()) == []


def test_the_same_advice_has_the_same_id_and_keeps_its_state(store: Store) -> None:
    first = optimizer(store).analyze_service_performance_sync("shop", "cloud_run", SLOW)
    optimizer(store).mark_recommendation(first[0].id, "DISMISSED", etag=first[0].etag)
    again = optimizer(store).analyze_service_performance_sync("shop", "cloud_run", SLOW)
    assert again[0].id == first[0].id
    assert again[0].state is RecommendationState.DISMISSED
    assert optimizer(store).generate_optimization_plan()["selected_recommendations"] == []


def test_advice_whose_reason_is_gone_disappears_and_claimed_advice_has_succeeded(store: Store) -> None:
    part = optimizer(store)
    found = part.analyze_service_performance_sync("shop", "cloud_run", SLOW)
    part.analyze_service_performance_sync("shop", "cloud_run", FINE)
    assert part.recommendations() == []
    part.analyze_service_performance_sync("shop", "cloud_run", SLOW)
    part.mark_recommendation(found[0].id, "CLAIMED")
    part.analyze_service_performance_sync("shop", "cloud_run", FINE)
    assert [r.state for r in part.recommendations()] == [RecommendationState.SUCCEEDED]
    seen_again = part.analyze_service_performance_sync("shop", "cloud_run", SLOW)
    assert seen_again[0].state is RecommendationState.ACTIVE
    assert seen_again[0].attributes == {"seen_again_after": "SUCCEEDED"}


def test_an_operation_that_did_not_run_settles_nothing(store: Store) -> None:
    optimizer(store, operations=[operation()], repeats=[REPEAT]).analyze_service_performance_sync(
        "shop", "cloud_run", FINE
    )
    restarted = optimizer(store, operations=[operation("GET /")])
    restarted.analyze_service_performance_sync("shop", "cloud_run", FINE)
    assert len(restarted.recommendations()) == 1
    optimizer(store, operations=[operation()]).analyze_service_performance_sync("shop", "cloud_run", FINE)
    assert restarted.recommendations() == []


def test_advice_on_another_service_is_left_alone(store: Store) -> None:
    part = optimizer(store)
    part.analyze_service_performance_sync("shop", "cloud_run", SLOW)
    part.analyze_service_performance_sync("billing", "cloud_run", FINE)
    assert [r.service_name for r in part.recommendations()] == ["shop"]


def test_states_move_as_google_recommenders_do(store: Store) -> None:
    part = optimizer(store)
    identity = part.analyze_service_performance_sync("shop", "cloud_run", SLOW)[0].id
    part.mark_recommendation(identity, "CLAIMED")
    with pytest.raises(InvalidInputError, match="is CLAIMED; from there to CLAIMED, FAILED, SUCCEEDED only"):
        part.mark_recommendation(identity, "ACTIVE")
    with pytest.raises(InvalidInputError, match="no state 'DONE'"):
        part.mark_recommendation(identity, "DONE")
    with pytest.raises(UnknownNameError, match="nothing"):
        part.mark_recommendation("nothing", "CLAIMED")
    with pytest.raises(StateError, match="changed since"):
        part.mark_recommendation(identity, "SUCCEEDED", etag="0")


def test_a_store_that_can_not_be_written_keeps_advice_in_the_process_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    part = optimizer(open_store(f"sqlite:///{tmp_path}/file/history.db"))
    advice = part.analyze_service_performance_sync("shop", "cloud_run", SLOW)
    assert "kept in this process only" in advice.notes[0]
    assert len(part.generate_optimization_plan()["selected_recommendations"]) == 1


def test_a_stored_recommendation_that_can_not_be_read_hides_no_other(store: Store) -> None:
    part = optimizer(store)
    part.analyze_service_performance_sync("shop", "cloud_run", SLOW)
    store.put(Kind.RECOMMENDATION, "broken", {"id": "broken"})
    assert len(part.recommendations()) == 1


def test_the_plan_takes_its_limits_by_position_as_well(store: Store) -> None:
    part = optimizer(store, operations=[operation()], repeats=[REPEAT])
    part.analyze_service_performance_sync("shop", "cloud_run", SLOW)
    plan = part.generate_optimization_plan(1, 40)
    assert len(plan["selected_recommendations"]) == 1
    assert plan["summary"]["total_implementation_hours"] == 1.0
    assert plan["summary"]["total_monthly_savings"] > 7
    assert part.generate_optimization_plan(max_recommendations=2)["summary"]["recommendation_count"] == 2


def test_rules_can_be_chosen(store: Store) -> None:
    advice = optimizer(store).analyze_service_performance_sync(
        "shop", "cloud_run", SLOW, rules=["optimizer/tail-*"]
    )
    assert advice == []
    assert advice.examined == ("optimizer/tail-latency",)


_NUMBERS = sorted(name for name, about in METRICS.items() if "allowed" not in about)


@given(st.dictionaries(st.sampled_from(_NUMBERS), st.floats(0, 1e12), max_size=12))
def test_whatever_is_measured_a_rule_answers_or_the_value_is_refused(metrics: dict[str, float]) -> None:
    part = PerformanceOptimizer(store=_Nowhere(), operations=list, repeated_calls=list)
    try:
        advice = part.analyze_service_performance_sync("shop", "cloud_run", metrics)
    except InvalidInputError:
        return
    assert all(skipped.reason.startswith("needs ") for skipped in advice.skipped)
    for r in advice:
        assert r.saving is None or r.saving.low <= r.saving.expected <= r.saving.high


class _Nowhere:
    """A store that keeps nothing."""

    def put(self, *_: Any) -> int:
        return 0

    def list(self, *_: Any) -> list[Any]:
        return []

    def delete(self, *_: Any) -> int:
        return 0
