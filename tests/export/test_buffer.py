import logging
import math
import statistics
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.export.buffer import COUNTER, GAUGE, MAX_METRICS, MetricBuffer
from genesis_performance.export.limits import Complaints, SeriesBudget
from genesis_performance.model.series import Distribution, Series

NOW_NS = 2_000_000_000_000_000_000


@pytest.fixture
def complaints() -> Complaints:
    return Complaints(logging.getLogger("test"))


@pytest.fixture
def make(complaints: Complaints) -> Callable[..., MetricBuffer]:
    def make(max_series: int = 50) -> MetricBuffer:
        return MetricBuffer(
            service="shop",
            environment="test",
            budget=SeriesBudget(max_series),
            complaints=complaints,
            unix_ns=lambda: NOW_NS - 1_000_000_000,
        )

    return make


@pytest.fixture
def buffer(make: Callable[..., MetricBuffer]) -> MetricBuffer:
    return make()


def only(buffer: MetricBuffer) -> Series:
    (series,) = buffer.series(NOW_NS)
    return series


def distribution(series: Series) -> Distribution:
    value = series.points[0].value
    assert isinstance(value, Distribution)
    return value


def test_values_of_one_label_set_become_one_distribution(buffer: MetricBuffer) -> None:
    for value in (10.0, 20, Decimal(30)):
        buffer.record("queue_wait_ms", value, {"queue": "mail"})  # type: ignore[arg-type]
    series = only(buffer)
    value = distribution(series)
    assert (value.count, round(value.sum, 6)) == (3, 60)
    assert round(value.sum_of_squared_deviation, 6) == 200
    assert dict(series.labels) == {"queue": "mail", "service": "shop", "environment": "test"}
    assert series.metric.unit == "ms"
    assert series.points[0].start_unix_ns == NOW_NS - 1_001_000_000


def test_the_callers_service_and_environment_win(buffer: MetricBuffer) -> None:
    buffer.record("wait_ms", 1.0, {"service": "api", "environment": "production"})
    assert dict(only(buffer).labels) == {"service": "api", "environment": "production"}


def test_the_order_of_labels_makes_no_new_series(buffer: MetricBuffer) -> None:
    buffer.record("wait_ms", 1.0, {"a": "x", "b": "y"})
    buffer.record("wait_ms", 1.0, {"b": "y", "a": "x"})
    assert distribution(only(buffer)).count == 2


def test_a_counter_adds_and_a_gauge_keeps_the_last_value(buffer: MetricBuffer) -> None:
    for value in (1, 2):
        buffer.record("orders", value, kind=COUNTER)
        buffer.record("depth", value, kind=GAUGE)
    assert {series.metric.name: series.points[0].value for series in buffer.series(NOW_NS)} == {
        "orders": 3,
        "depth": 2,
    }


class _Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __float__(self) -> float:
        raise RuntimeError("no float")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "value not finite"),
        (math.inf, "value not finite"),
        (-math.inf, "value not finite"),
        (1e200, "value not finite"),
        (10**400, "value not finite"),
        ("12", "value is no number"),
        (True, "value is no number"),
        (None, "value is no number"),
        (1j, "value is no number"),
        ([], "value is no number"),
        (_Odd(), "failed"),
    ],
)
def test_a_value_that_is_no_finite_number_is_counted_and_not_recorded(
    buffer: MetricBuffer, complaints: Complaints, value: object, reason: str
) -> None:
    buffer.record("wait_ms", value)  # type: ignore[arg-type]
    assert complaints.counts == {reason: 1}
    assert buffer.series(NOW_NS) == []
    assert buffer.recorded == 0


def test_a_refused_value_is_logged_once_with_name_value_and_remedy(
    buffer: MetricBuffer, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        buffer.record("wait_ms", math.nan)
    (record,) = caplog.records
    assert record.getMessage() == "metric wait_ms: the value nan is not recorded; give a finite number"


@pytest.mark.parametrize("name", ["", "   ", "///", None, 5, b"x"])
def test_a_name_that_can_not_be_one_is_refused(
    buffer: MetricBuffer, complaints: Complaints, name: object
) -> None:
    buffer.record(name, 1.0)  # type: ignore[arg-type]
    assert complaints.counts["name refused"] == 1
    assert buffer.series(NOW_NS) == []


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("response time", "response_time"),
        ("GET /users/12345?token=x", "GET/users/id"),
        ("x" * 500, "x" * 500),
        ("wäit", "w_it"),
    ],
)
def test_a_name_is_made_legal_and_free_of_ids(buffer: MetricBuffer, name: str, legal: str) -> None:
    buffer.record(name, 1.0)
    made = only(buffer).metric.name
    assert len(made) <= 80
    assert made == legal or name == "x" * 500


def test_a_metric_can_not_pretend_to_be_an_operation(buffer: MetricBuffer, complaints: Complaints) -> None:
    buffer.record("operation/duration", 1.0)
    assert complaints.counts["name refused"] == 1


def test_a_name_keeps_its_kind(buffer: MetricBuffer, complaints: Complaints) -> None:
    buffer.record("orders", 1.0)
    buffer.record("orders", 1.0, kind=COUNTER)
    assert complaints.counts["kind conflict"] == 1
    assert distribution(only(buffer)).count == 1


def test_a_counter_does_not_fall_and_says_so_with_the_value(
    buffer: MetricBuffer, complaints: Complaints, caplog: pytest.LogCaptureFixture
) -> None:
    buffer.record("orders", -31, kind=COUNTER)
    assert complaints.counts["counter can not fall"] == 1
    assert "the value -31.0 is not recorded; a counter takes 0 and more" in caplog.text


@pytest.mark.parametrize("labels", [{"1a": "x"}, {"a-b": "x"}, {"": "x"}, {"k" * 101: "x"}, {5: "x"}])
def test_a_label_key_that_is_not_allowed_is_left_out_and_the_value_kept(
    buffer: MetricBuffer, complaints: Complaints, labels: dict[str, str]
) -> None:
    buffer.record("wait_ms", 1.0, labels)
    assert complaints.counts["label key refused"] == 1
    assert dict(only(buffer).labels) == {"service": "shop", "environment": "test"}


def test_labels_beyond_thirty_are_left_out(buffer: MetricBuffer, complaints: Complaints) -> None:
    buffer.record("wait_ms", 1.0, {f"k{n}": "x" for n in range(40)})
    assert len(only(buffer).labels) == 30
    assert complaints.counts["label refused"] == 12


def test_a_long_label_value_is_cut_and_counted(buffer: MetricBuffer, complaints: Complaints) -> None:
    buffer.record("wait_ms", 1.0, {"text": "word " * 1000})
    assert len(dict(only(buffer).labels)["text"]) <= 1024
    assert complaints.counts["label value cut"] == 1


@pytest.mark.parametrize("labels", ["abc", 5, [("a", "b")]])
def test_labels_that_are_no_mapping_are_left_out(
    buffer: MetricBuffer, complaints: Complaints, labels: object
) -> None:
    buffer.record("wait_ms", 1.0, labels)  # type: ignore[arg-type]
    assert complaints.counts["labels refused"] == 1
    assert distribution(only(buffer)).count == 1


def test_label_values_of_other_types_become_texts(buffer: MetricBuffer) -> None:
    labels = {"n": 200, "ok": True, "none": None, "list": [1]}
    buffer.record("wait_ms", 1.0, labels)  # type: ignore[arg-type]
    own = dict(only(buffer).labels)
    assert (own["n"], own["ok"], own["none"]) == ("200", "true", "")


def test_personal_data_in_labels_is_redacted_and_merged(buffer: MetricBuffer) -> None:
    for number in range(1000, 1100):
        buffer.record("wait_ms", 1.0, {"user": str(number), "mail": f"u{number}@example.com"})
    series = only(buffer)
    assert dict(series.labels) == {
        "user": "{id}",
        "mail": "{email}",
        "service": "shop",
        "environment": "test",
    }
    assert distribution(series).count == 100


def test_label_sets_beyond_the_budget_keep_the_totals(make: Callable[..., MetricBuffer]) -> None:
    buffer = make(max_series=3)
    for letter in "abcdefgh":
        buffer.record("wait_ms", 1.0, {"letter": letter})
    made = buffer.series(NOW_NS)
    assert {dict(series.labels)["letter"] for series in made} == {"a", "b", "c", "__other__"}
    assert sum(distribution(series).count for series in made) == 8


def test_a_hundred_thousand_label_sets_do_not_fill_the_memory(make: Callable[..., MetricBuffer]) -> None:
    buffer = make(max_series=10)
    for number in range(100_000 // 20):
        buffer.record("wait_ms", 1.0, {"name": f"v{chr(97 + number % 26)}{'ab' * (number % 200)}", "x": "y"})
    assert len(buffer.known) <= 40
    assert len(buffer.series(NOW_NS)) <= 11


def test_metric_names_are_limited(buffer: MetricBuffer, complaints: Complaints) -> None:
    for number in range(MAX_METRICS + 5):
        buffer._new_metric(f"m{number}", GAUGE, None)
    assert complaints.counts["too many metrics"] == 5


def test_eight_threads_lose_nothing(buffer: MetricBuffer) -> None:
    def work() -> None:
        for _ in range(2000):
            buffer.record("wait_ms", 1.0, {"a": "b"})

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert distribution(only(buffer)).count == 16_000


def test_a_record_that_interrupts_a_record_into_the_same_cell_is_not_lost(buffer: MetricBuffer) -> None:
    """As a finaliser does, at any step: here at each value that is converted, and at each line."""
    buffer.record("wait_ms", 1.0)
    depth = 0

    def trace(frame: FrameType, event: str, _argument: object) -> object:
        nonlocal depth
        if event == "line" and frame.f_code.co_name == "record" and depth == 0:
            depth = 1
            buffer.record("wait_ms", 3.0)
            depth = 0
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        for _ in range(50):
            buffer.record("wait_ms", 1.0)
    finally:
        sys.settrace(before)
    value = distribution(only(buffer))
    assert value.count == buffer.recorded
    inner = value.count - 51
    assert inner > 200
    assert value.sum == 51 + 3 * inner


def test_a_thread_that_ended_leaves_its_cell_to_a_later_one(buffer: MetricBuffer) -> None:
    barrier = threading.Barrier(12)

    def work() -> None:
        barrier.wait()
        buffer.record("wait_ms", 1.0)
        barrier.wait()

    for _ in range(5):
        threads = [threading.Thread(target=work) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    (series,) = buffer._series.values()
    assert len(series.cells) <= 24
    assert distribution(only(buffer)).count == 60


def test_reset_starts_at_zero_and_handles_stay_valid(buffer: MetricBuffer) -> None:
    series = buffer.find("wait_ms", None, "distribution")
    assert series is not None
    buffer.record_in(series, 5.0)
    buffer.reset()
    buffer.record_in(series, 5.0)
    assert distribution(only(buffer)).count == 1


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60),
)
def test_count_mean_and_deviation_are_those_of_the_values(values: list[float]) -> None:
    buffer = MetricBuffer(
        service="shop",
        environment="test",
        budget=SeriesBudget(5),
        complaints=Complaints(logging.getLogger("test")),
        unix_ns=lambda: NOW_NS,
    )
    for value in values:
        buffer.record("wait_ms", value)
    found = distribution(only(buffer))
    scale = max(map(abs, values)) + 1
    assert found.count == len(values)
    assert found.sum == pytest.approx(sum(values), abs=1e-9 * scale * len(values))
    mean = statistics.fmean(values)
    squares = sum((value - mean) ** 2 for value in values)
    assert found.sum_of_squared_deviation == pytest.approx(squares, rel=1e-6, abs=1e-9 * scale**2)
