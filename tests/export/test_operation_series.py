import logging

from genesis_performance.export.limits import Complaints, SeriesBudget
from genesis_performance.export.operation_series import OperationSeries
from genesis_performance.model.operation import Histogram, OperationSnapshot
from genesis_performance.model.series import Distribution, Series
from genesis_performance.stats.histogram import bucket_index

NOW_NS = 2_000_000_000_000_000_000
START_NS = NOW_NS - 60_000_000_000


def snapshot(
    name: str, durations_ms: list[float], *, errors: int = 0, labels: tuple[tuple[str, str], ...] = (),
    start_unix_ns: int = START_NS,
) -> OperationSnapshot:  # fmt: skip
    counts: dict[int, int] = {}
    for duration_ms in durations_ms:
        index = bucket_index(int(duration_ms * 1e6))
        counts[index] = counts.get(index, 0) + 1
    return OperationSnapshot(
        name=name,
        labels=labels,
        count=len(durations_ms),
        errors=errors,
        sum_ns=int(sum(durations_ms) * 1e6),
        min_ns=0,
        max_ns=int(max(durations_ms, default=0) * 1e6),
        histogram=Histogram(counts),
        cpu_ns=None,
        start_unix_ns=start_unix_ns,
    )


def operations(max_series: int = 100) -> OperationSeries:
    return OperationSeries(
        service="shop",
        environment="test",
        budget=SeriesBudget(max_series),
        complaints=Complaints(logging.getLogger("test")),
    )


def durations(made: list[Series]) -> dict[str, Distribution]:
    return {
        dict(series.labels)["operation"]: series.points[0].value
        for series in made
        if series.metric.name == "operation/duration"
        if isinstance(series.points[0].value, Distribution)
    }


def counts(made: list[Series], status: str) -> dict[str, object]:
    return {
        dict(series.labels)["operation"]: series.points[0].value
        for series in made
        if series.metric.name == "operation/count" and dict(series.labels)["status"] == status
    }


def test_an_operation_becomes_a_duration_and_a_count_by_status() -> None:
    subject = operations()
    subject.update([("recorder", [snapshot("pay", [10, 20, 300], errors=1)])])
    made = subject.series(NOW_NS)
    assert len(made) == 3
    assert durations(made)["pay"].count == 3
    assert durations(made)["pay"].sum == 330
    assert counts(made, "ok") == {"pay": 2}
    assert counts(made, "error") == {"pay": 1}
    assert dict(made[0].labels) == {"service": "shop", "operation": "pay", "environment": "test"}
    assert made[0].points[0].start_unix_ns == START_NS - 1_000_000


def test_the_deviation_is_that_of_the_values() -> None:
    subject = operations()
    subject.update([("recorder", [snapshot("pay", [10, 20, 30])])])
    deviation = durations(subject.series(NOW_NS))["pay"].sum_of_squared_deviation
    assert 190 < deviation < 210


def test_names_that_are_one_after_redaction_are_one_series() -> None:
    subject = operations()
    subject.update([("recorder", [snapshot(f"GET_/users/{n}", [5]) for n in (11, 12, 13)])])
    made = subject.series(NOW_NS)
    assert counts(made, "ok") == {"GET_/users/{id}": 3}
    assert len({(series.metric.name, series.labels) for series in made}) == len(made) == 3


def test_two_recorders_of_one_operation_add_up() -> None:
    subject = operations()
    subject.update([("a", [snapshot("pay", [1])]), ("b", [snapshot("pay", [1, 2])])])
    assert counts(subject.series(NOW_NS), "ok") == {"pay": 3}


def test_seeing_the_same_snapshot_again_adds_nothing() -> None:
    subject = operations()
    for _ in range(3):
        subject.update([("recorder", [snapshot("pay", [1, 2])])])
    assert counts(subject.series(NOW_NS), "ok") == {"pay": 2}


def test_a_recorder_that_is_gone_leaves_its_totals() -> None:
    subject = operations()
    subject.update([("recorder", [snapshot("pay", [1, 2])])])
    subject.update([])
    assert counts(subject.series(NOW_NS), "ok") == {"pay": 2}


def test_a_recorder_that_started_anew_adds_what_it_recorded_since() -> None:
    subject = operations()
    subject.update([("recorder", [snapshot("pay", [1, 2])])])
    subject.update([("recorder", [snapshot("pay", [3], start_unix_ns=START_NS + 1)])])
    assert counts(subject.series(NOW_NS), "ok") == {"pay": 3}


def test_operations_beyond_the_budget_keep_the_totals() -> None:
    subject = operations(max_series=6)
    names = ["pay", "ship", "refund", "list", "search"]
    subject.update([("recorder", [snapshot(name, [1, 2]) for name in names])])
    made = subject.series(NOW_NS)
    assert counts(made, "ok") == {"pay": 2, "ship": 2, "__other__": 6}
    assert sum(one.count for one in durations(made).values()) == 10


def test_labels_of_an_operation_do_not_replace_ours() -> None:
    subject = operations()
    labels = (("service", "other"), ("status", "x"), ("tenant", "jane@example.com"))
    subject.update([("recorder", [snapshot("pay", [1], labels=labels)])])
    assert dict(subject.series(NOW_NS)[0].labels) == {
        "service": "shop",
        "operation": "pay",
        "environment": "test",
        "tenant": "{email}",
    }


def test_a_renamed_service_keeps_the_totals() -> None:
    subject = operations()
    subject.update([("recorder", [snapshot("pay", [1])])])
    subject.rename_service("api")
    subject.update([("recorder", [snapshot("pay", [1, 2])])])
    made = subject.series(NOW_NS)
    assert counts(made, "ok") == {"pay": 2}
    assert {dict(series.labels)["service"] for series in made} == {"api"}


def test_an_interval_is_never_empty() -> None:
    subject = operations()
    subject.update([("recorder", [snapshot("pay", [1], start_unix_ns=NOW_NS)])])
    point = subject.series(NOW_NS)[0].points[0]
    assert point.start_unix_ns is not None
    assert point.start_unix_ns < point.end_unix_ns
