"""The ways to record: by name and by handles, from whatever the host gives."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterator
from itertools import permutations
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from genesis_performance.export.sinks.memory import MemorySink
from genesis_performance.model.series import Distribution
from genesis_performance.monitor import PerformanceMonitor

from .conftest import FakeClock


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def monitor(clock: FakeClock, sink: MemorySink) -> Iterator[PerformanceMonitor]:
    with PerformanceMonitor(service_name="api", sink=sink, clock=clock) as made:
        yield made


def counts(monitor: PerformanceMonitor, sink: MemorySink, name: str, label: str) -> dict[str, int]:
    """How many values each value of the label has."""
    assert monitor.flush(60)
    found = {}
    for (metric, _), series in sink.series.items():
        if metric == name:
            value = series.points[0].value
            assert isinstance(value, Distribution)
            found[dict(series.labels)[label]] = value.count
    return found


class _Queue(str, enum.Enum):  # noqa: UP042 - its str() is "_Queue.MAIL"
    MAIL = "mail"


class _Name(enum.StrEnum):
    WAIT = "wait_ms"


@pytest.mark.parametrize("order", [*permutations([1, True, 1.0, "1"])])
def test_label_values_that_are_equal_but_not_the_same_stay_apart(
    monitor: PerformanceMonitor, sink: MemorySink, order: tuple[object, ...]
) -> None:
    for value in [*order, *order, *order]:
        monitor.record_performance_metric("wait_ms", 1.0, {"n": value})  # type: ignore[dict-item]
    assert counts(monitor, sink, "wait_ms", "n") == {"1": 6, "true": 3, "1.0": 3}


@pytest.mark.parametrize("order", [*permutations(["mail", _Queue.MAIL])])
def test_a_member_of_an_enum_of_texts_is_the_text_that_it_holds(
    monitor: PerformanceMonitor, sink: MemorySink, order: tuple[str, ...]
) -> None:
    for queue in [*order, *order]:
        monitor.record_performance_metric(_Name.WAIT, 1.0, {"queue": queue})
        monitor.record_performance_metric("wait_ms", 1.0, {"queue": queue})
    assert counts(monitor, sink, "wait_ms", "queue") == {"mail": 8}


def test_a_mapping_that_is_no_dict_is_taken(monitor: PerformanceMonitor, sink: MemorySink) -> None:
    for _ in range(3):
        monitor.record_performance_metric("wait_ms", 1.0, MappingProxyType({"queue": "mail"}))
    assert counts(monitor, sink, "wait_ms", "queue") == {"mail": 3}


def test_whole_numbers_are_recorded_like_others(monitor: PerformanceMonitor, sink: MemorySink) -> None:
    handle = monitor.distribution("sizes", {"queue": "mail"})
    for value in (1, 2.0, 3):
        handle.record(value)
        monitor.record_performance_metric("sizes", value, {"queue": "mail"})
    assert counts(monitor, sink, "sizes", "queue") == {"mail": 6}
    assert sink.value("sizes").sum == 12  # type: ignore[union-attr]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e150, -1e150, 10**400, True])
def test_a_value_refused_after_good_ones_is_counted(monitor: PerformanceMonitor, value: float) -> None:
    ways = [
        monitor.distribution("wait_ms").record,
        monitor.counter("orders").add,
        monitor.gauge("depth").set,
        lambda value: monitor.record_performance_metric("wait_ms", value, {"a": "b"}),
    ]
    for way in ways:
        for _ in range(2):
            way(1.0)
        way(value)
    health = monitor.health()
    assert health["recorded"] == 8
    assert sum(health["dropped"].values()) == 4


def test_threads_that_record_one_label_set_by_name_lose_nothing(
    monitor: PerformanceMonitor, sink: MemorySink
) -> None:
    def work() -> None:
        for _ in range(2000):
            monitor.record_performance_metric("wait_ms", 1.0, {"queue": "mail"})

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts(monitor, sink, "wait_ms", "queue") == {"mail": 16_000}


def test_a_monitor_that_is_closed_stops_recording_and_another_of_its_destination_goes_on() -> None:
    first, second = PerformanceMonitor(service_name="api"), PerformanceMonitor(service_name="api")
    with second:
        for monitor in (first, second):
            for _ in range(2):
                monitor.record_performance_metric("wait_ms", 1.0, {"queue": "mail"})
        first.close()
        for monitor in (first, second):
            monitor.record_performance_metric("wait_ms", 1.0, {"queue": "mail"})
        assert first.health()["dropped"] == {"closed": 1}
        assert (second.health()["recorded"], second.health()["dropped"]) == (5, {})


def test_the_service_of_the_first_alert_is_that_of_records_after_it(
    clock: FakeClock, sink: MemorySink
) -> None:
    with PerformanceMonitor(sink=sink, clock=clock) as monitor:
        for _ in range(2):
            monitor.record_performance_metric("wait_ms", 1.0, {"queue": "mail"})
        monitor.create_response_time_alert("shop", 500)
        for _ in range(3):
            monitor.record_performance_metric("wait_ms", 1.0, {"queue": "mail"})
        assert counts(monitor, sink, "wait_ms", "service") == {"default": 2, "shop": 3}


def test_a_full_region_loses_no_value_recorded_by_name(monitor: PerformanceMonitor, sink: MemorySink) -> None:
    monitor.record_performance_metric("wait_ms", 1.0, {"queue": "mail"})
    made = monitor._open().cells.made
    assert made is not None
    made.max_bytes, made._newest.used = 0, 1 << 30  # type: ignore[union-attr]
    for exponent in range(-4, 8):
        for _ in range(2):
            monitor.record_performance_metric("wait_ms", 10.0**exponent, {"queue": "mail"})
    assert counts(monitor, sink, "wait_ms", "queue") == {"mail": 25}


def test_a_thread_that_could_not_start_is_tried_again_by_the_next_record(
    monitor: PerformanceMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        for _ in range(3):
            monitor.record_performance_metric("wait_ms", 1.0, {"queue": "mail"})
    assert not monitor._open().exporter.is_running
    monitor.record_performance_metric("wait_ms", 1.0, {"queue": "mail"})
    assert monitor._open().exporter.is_running
    assert monitor.health()["recorded"] == 4


class _OwnError(Exception):
    """Nobody knows it."""


def _raises(*_given: object, **_named: object) -> object:
    raise _OwnError("hostile")


_RETURNS: tuple[Callable[..., object], ...] = (
    _raises,
    lambda *_given: object(),
    lambda *_given: None,
    lambda *_given: "x",
    lambda *_given: 1,
    lambda *_given: [("a", "b"), "c"],
)
_METHODS = (
    "__str__", "__repr__", "__hash__", "__eq__", "__float__", "__index__", "__bool__", "__len__", "__iter__",
    "__getitem__", "__lt__", "__gt__", "__sub__", "__rsub__", "__format__", "items", "keys", "values",
)  # fmt: skip


@st.composite
def hostile(draw: st.DrawFn) -> object:
    """An object of which some methods raise, or answer nonsense; some say they are of another class."""
    base = draw(st.sampled_from([object, str, int, float, dict, list, bytes]))
    body = draw(st.dictionaries(st.sampled_from(_METHODS), st.sampled_from(_RETURNS), max_size=6))
    said = draw(st.sampled_from([None, str, int, float, bool, dict, _raises]))
    if said is not None:
        body["__class__"] = property(lambda _self: said() if said is _raises else said)  # type: ignore[assignment]
    return type("Hostile", (base,), dict(body))()


_PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=5),
    st.just(10**400), st.sampled_from(["wait_ms", "a", "\ud800", 1.0, []]),
)  # fmt: skip
_ANYTHING = st.one_of(_PLAIN, hostile())
_LABELS = st.one_of(
    _ANYTHING,
    st.dictionaries(st.one_of(st.text(max_size=3), st.integers()), _ANYTHING, max_size=4),
    st.lists(st.tuples(hostile().filter(lambda one: type(one).__hash__ is not None), _ANYTHING), max_size=3),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=_ANYTHING, value=_ANYTHING, labels=_LABELS, unit=_ANYTHING)
@example(name="wait_ms", value=1.0, labels={"a": "b"}, unit=None)
def test_no_way_to_record_raises_and_each_value_is_recorded_or_counted(
    monitor: PerformanceMonitor, name: object, value: object, labels: object, unit: object
) -> None:
    def known() -> int:
        health = monitor.health()
        return health["recorded"] + sum(health["dropped"].values())

    before = known()
    for _ in range(2):
        monitor.record_performance_metric(name, value, labels)  # type: ignore[arg-type]
    handles = (
        monitor.distribution(name, labels, unit=unit).record,  # type: ignore[arg-type]
        monitor.counter(name, labels, unit=unit).add,  # type: ignore[arg-type]
        monitor.gauge(name, labels, unit=unit).set,  # type: ignore[arg-type]
    )
    for record in handles:
        record(value)  # type: ignore[arg-type]
        record(1.0)
    assert known() - before == 8
    assert monitor.flush(60)
