"""What the encoder writes, read by protobuf itself from an independent description of the messages."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.emulator.services.otlp_messages import message
from genesis_performance.export.catalog import OPERATION_COUNT, OPERATION_DURATION
from genesis_performance.export.otlp_encoding import Encoder
from genesis_performance.export.otlp_http import fields
from genesis_performance.export.wire import varint
from genesis_performance.model.series import Distribution, Kept, Metric, MetricKind, Point, Series

BOUNDS = tuple(float(number) for number in range(1, 194))
VALUES = Metric(name="values", kind=MetricKind.CUMULATIVE, value_type="DISTRIBUTION", unit="ms")
LEVEL = Metric(name="level", kind=MetricKind.GAUGE, value_type="DOUBLE", unit="1", description="How full.")

labels = st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), max_size=4).map(
    lambda found: tuple(sorted(found.items()))
)
unix_ns = st.integers(1, 2**62)


def encoded(encoder: Encoder, *series: Series) -> Any:
    """The only ResourceMetrics of the request, decoded."""
    content = encoder.request([(one, encoder.encoding(one), one.points[-1]) for one in series])
    (found,) = message("ExportMetricsServiceRequest").FromString(content).resource_metrics
    return found


def distribution(counts: dict[int, int], total: float = 1.0) -> Distribution:
    return Distribution(
        bounds=BOUNDS, counts=tuple(counts.get(index, 0) for index in range(len(BOUNDS) + 1)), sum=total
    )


def series(
    value: Any, metric: Metric = VALUES, own: Any = (), end_ns: int = 9, start_ns: int | None = 5
) -> Series:
    return Series(
        metric=metric, labels=own, points=(Point(end_unix_ns=end_ns, value=value, start_unix_ns=start_ns),)
    )


def attributes(pairs: Any) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in pairs}


def histogram(found: Any) -> Any:
    (scoped,) = found.scope_metrics
    (metric,) = scoped.metrics
    (point,) = metric.histogram.data_points
    return point


@given(own=labels, value=st.integers(0, 2**62), end_ns=unix_ns, start_ns=unix_ns)
def test_a_counter_is_read_as_it_was_written(
    own: tuple[tuple[str, str], ...], value: int, end_ns: int, start_ns: int
) -> None:
    found = encoded(
        Encoder("p", {"service.name": "shop"}), series(value, OPERATION_COUNT, own, end_ns, start_ns)
    )
    assert attributes(found.resource.attributes) == {"service.name": "shop"}
    (metric,) = found.scope_metrics[0].metrics
    assert (metric.name, metric.unit) == ("p.operation.count", "1")
    assert (metric.sum.aggregation_temporality, metric.sum.is_monotonic) == (2, True)
    (point,) = metric.sum.data_points
    assert (point.as_int, point.time_unix_nano, point.start_time_unix_nano) == (value, end_ns, start_ns)
    assert attributes(point.attributes) == dict(own)


@given(value=st.floats(allow_nan=False))
def test_a_gauge_has_no_start(value: float) -> None:
    (metric,) = encoded(Encoder("p", {}), series(value, LEVEL, start_ns=None)).scope_metrics[0].metrics
    (point,) = metric.gauge.data_points
    assert point.as_double == value
    assert not point.HasField("start_time_unix_nano")
    assert metric.description == "How full."


@given(st.lists(st.dictionaries(st.integers(0, len(BOUNDS)), st.integers(1, 2**40), max_size=5), min_size=1))
def test_every_value_of_a_histogram_stays_in_its_bucket_while_the_range_grows(
    news: list[dict[int, int]],
) -> None:
    encoder, total = Encoder("p", {}), dict.fromkeys(range(len(BOUNDS) + 1), 0)
    before: set[float] = set()
    for counts in news:
        for index, count in counts.items():
            total[index] += count
        point = histogram(encoded(encoder, series(distribution(total))))
        bounds = tuple(point.explicit_bounds)
        assert len(point.bucket_counts) == len(bounds) + 1
        assert point.count == sum(total.values()) == sum(point.bucket_counts)
        assert before <= set(bounds)
        before = set(bounds)
        # Each sent bucket whose upper bound is ours holds what our bucket of that bound holds.
        for place, bound in enumerate(bounds):
            below = bounds[place - 1] if place else float("-inf")
            ours = sum(total[index] for index, upper in enumerate(BOUNDS) if below < upper <= bound)
            assert point.bucket_counts[place] == ours


@given(
    blocks=st.lists(
        st.tuples(st.integers(0, 11), st.integers(1, 3), st.integers(1, 2**40), st.integers(1, 9)), min_size=1
    )
)
def test_a_distribution_that_keeps_some_buckets_is_sent_as_one_that_keeps_all(
    blocks: list[tuple[int, int, int, int]],
) -> None:
    sparse, dense = Encoder("p", {}), Encoder("p", {})
    for number, length, count, start_ns in blocks:
        filled = (count, *(0,) * 14, count) * length
        first = min(number, 12 - length) * 16
        one = Distribution(BOUNDS, filled, 7.0, 3.0, first)
        other = Distribution(BOUNDS, one.counts, 7.0, 3.0)
        found, wanted = (
            encoded(encoder, series(value, start_ns=start_ns)).SerializeToString()
            for encoder, value in ((sparse, one), (dense, other))
        )
        assert found == wanted


def test_the_buckets_that_are_kept_are_sent_with_both_their_bounds() -> None:
    value = Distribution(BOUNDS, (1, *(0,) * 14, 1), 7.0, 3.0, 32)
    point = histogram(encoded(Encoder("p", {}), series(value)))
    assert list(point.explicit_bounds) == list(BOUNDS[31:48])
    assert list(point.bucket_counts) == [0, *value.filled, 0]


def test_what_is_kept_with_a_series_is_used_by_its_encoder_only() -> None:
    kept = Kept()
    own = [
        Series(LEVEL, (("n", name),), (Point(9, 1.0),), kept if name == "kept" else None)
        for name in ("kept", "other")
    ]
    first, second = Encoder("p", {}), Encoder("q", {})
    for encoder in (first, second, first):
        (scoped,) = encoded(encoder, *own).scope_metrics
        assert scoped.metrics[0].name == ("p.level" if encoder is first else "q.level")
        assert [attributes(one.attributes)["n"] for one in scoped.metrics[0].gauge.data_points] == [
            "kept",
            "other",
        ]


def test_a_histogram_of_three_octaves_is_sent_with_few_bounds() -> None:
    point = histogram(encoded(Encoder("p", {}), series(distribution({40: 1, 60: 2}))))
    assert len(point.explicit_bounds) == 33


def test_other_bounds_are_sent_from_then_on() -> None:
    encoder = Encoder("p", {})
    histogram(encoded(encoder, series(distribution({40: 1}))))
    other = Distribution(bounds=(1.0, 2.0), counts=(1, 1, 1), sum=4.0)
    assert list(histogram(encoded(encoder, series(other))).explicit_bounds) == [1.0, 2.0]


def test_a_distribution_without_bounds_has_one_bucket() -> None:
    point = histogram(encoded(Encoder("p", {}), series(Distribution(bounds=(), counts=(3,), sum=4.0))))
    assert (list(point.bucket_counts), list(point.explicit_bounds)) == ([3], [])


def test_requests_in_milliseconds_are_sent_in_seconds() -> None:
    own = (("operation", "GET /a"),)
    point = histogram(encoded(Encoder("p", {}), series(distribution({3: 1}, 3.5), OPERATION_DURATION, own)))
    assert point.sum == pytest.approx(0.0035)
    assert point.explicit_bounds[2] == pytest.approx(0.003)
    assert attributes(point.attributes)["http.route"] == "/a"


def test_points_of_one_metric_are_together() -> None:
    found = encoded(
        Encoder("p", {}),
        series(1, OPERATION_COUNT, (("a", "1"),)),
        series(1.0, LEVEL, start_ns=None),
        series(2, OPERATION_COUNT, (("a", "2"),)),
    )
    assert [(each.name, len(each.sum.data_points)) for each in found.scope_metrics[0].metrics] == [
        ("p.operation.count", 2),
        ("p.level", 0),
    ]


@given(st.integers(0, 2**64 - 1))
def test_a_varint_is_read_as_it_was_written(number: int) -> None:
    assert fields(b"\x08" + varint(number)) == {1: number}


@given(st.binary(max_size=40))
def test_reading_any_bytes_as_an_answer_ends(content: bytes) -> None:
    with contextlib.suppress(ValueError, IndexError):
        fields(content)
