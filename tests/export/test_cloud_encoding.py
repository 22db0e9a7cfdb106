"""What the encoder writes, compared with Google's own messages filled field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.export import cloud_encoding
from genesis_performance.export.blocks import BOUNDS
from genesis_performance.export.catalog import MEMORY_BYTES, OPERATION_COUNT, OPERATION_DURATION, metric_type
from genesis_performance.export.cloud_encoding import KINDS, TYPES, Encoder
from genesis_performance.model.series import Distribution, Kept, Metric, MetricKind, Point, Series
from genesis_performance.stats.histogram import explicit_buckets

types = pytest.importorskip("google.cloud.monitoring_v3.types")

PROJECT, PREFIX = "shop-1", "genesis.performance"
RESOURCE = {"project_id": PROJECT, "location": "global", "namespace": "test", "job": "shop", "task_id": "7"}
LEVEL = Metric(name="level", kind=MetricKind.GAUGE, value_type="DOUBLE", unit="1")
TOTAL = Metric(name="total", kind=MetricKind.CUMULATIVE, value_type="DOUBLE", unit="1")
VALUES = Metric(name="values", kind=MetricKind.CUMULATIVE, value_type="DISTRIBUTION", unit="ms")

UNEVEN = (1.0, 2.0, 4.0, 9.0, 11.0)
DURATIONS = explicit_buckets({})[0]

numbers = st.floats(allow_nan=False, allow_infinity=False)
unix_ns = st.integers(0, 2**62)
labels = st.dictionaries(st.text("abcdefgh_", min_size=1), st.text(), max_size=5).map(
    lambda found: tuple(sorted(found.items()))
)


@st.composite
def distributions(draw: st.DrawFn) -> Distribution:
    bounds = draw(st.sampled_from([UNEVEN, DURATIONS, (5.0,)]))
    filled = draw(st.dictionaries(st.integers(0, len(bounds)), st.integers(0, 2**50), max_size=8))
    return Distribution(
        bounds=bounds,
        counts=tuple(filled.get(index, 0) for index in range(len(bounds) + 1)),
        sum=draw(numbers),
        sum_of_squared_deviation=draw(st.floats(0, 1e300)),
    )


def points(
    value: st.SearchStrategy[Any], start_ns: st.SearchStrategy[int | None]
) -> st.SearchStrategy[Point]:
    return st.builds(Point, end_unix_ns=unix_ns, value=value, start_unix_ns=start_ns)


INT64 = st.integers(-(2**63), 2**63 - 1)
POINTS = {
    LEVEL: points(numbers, st.none()),
    MEMORY_BYTES: points(INT64, st.none()),
    TOTAL: points(numbers, unix_ns),
    OPERATION_COUNT: points(INT64, unix_ns),
    OPERATION_DURATION: points(distributions(), unix_ns),
    VALUES: points(distributions(), unix_ns),
}

metrics = st.sampled_from(list(POINTS))


@st.composite
def series(draw: st.DrawFn) -> Series:
    metric = draw(metrics)
    return Series(metric=metric, labels=draw(labels), points=(draw(POINTS[metric]),))


def field_by_field(batch: Sequence[Series], resource: Mapping[str, str] = RESOURCE) -> Any:
    request = types.CreateTimeSeriesRequest.pb()(name=f"projects/{PROJECT}")
    for one in batch:
        (point,) = one.points
        written = request.time_series.add(
            metric_kind=KINDS[one.metric.kind], value_type=TYPES[one.metric.value_type]
        )
        written.metric.type = metric_type(PREFIX, one.metric.name)
        written.metric.labels.update(one.labels)
        written.resource.type = "generic_task"
        written.resource.labels.update(resource)
        to = written.points.add()
        to.interval.end_time.FromNanoseconds(point.end_unix_ns)
        if point.start_unix_ns is not None:
            to.interval.start_time.FromNanoseconds(point.start_unix_ns)
        if isinstance(point.value, Distribution):
            fill(to.value.distribution_value, point.value)
        elif one.metric.value_type == "INT64":
            to.value.int64_value = point.value
        else:
            to.value.double_value = point.value
    return request


def fill(to: Any, value: Distribution) -> None:
    to.bucket_options.explicit_buckets.bounds.extend(value.bounds)
    to.count = value.count
    if value.count:
        to.mean = value.sum / value.count
        to.sum_of_squared_deviation = value.sum_of_squared_deviation
        last = max(index for index, count in enumerate(value.counts) if count)
        to.bucket_counts.extend(value.counts[: last + 1])


def decoded(encoder: Encoder, batch: Sequence[Series]) -> Any:
    content = encoder.request((one, encoder.encoding(one), one.points[-1]) for one in batch)
    return types.CreateTimeSeriesRequest.pb().FromString(content)


@given(batch=st.lists(series(), max_size=5))
def test_a_request_is_what_the_client_would_have_built(batch: list[Series]) -> None:
    assert decoded(Encoder(PROJECT, PREFIX, RESOURCE), batch) == field_by_field(batch)


@given(data=st.data(), metric=metrics, own=labels)
def test_a_series_is_encoded_right_each_time_whatever_came_before(
    data: st.DataObject, metric: Metric, own: tuple[tuple[str, str], ...]
) -> None:
    encoder = Encoder(PROJECT, PREFIX, RESOURCE)
    for point in data.draw(st.lists(POINTS[metric], min_size=2, max_size=5)):
        one = Series(metric=metric, labels=own, points=(point,))
        assert decoded(encoder, [one]) == field_by_field([one])


def test_what_another_encoder_kept_with_a_series_is_not_taken_for_ours() -> None:
    kept = Kept()
    first, second = Encoder(PROJECT, PREFIX, RESOURCE), Encoder(PROJECT, "elsewhere", RESOURCE)
    for encoder, prefix in ((first, PREFIX), (second, "elsewhere"), (first, PREFIX), (first, PREFIX)):
        one = Series(metric=LEVEL, labels=(), points=(Point(end_unix_ns=1, value=1.0),), kept=kept)
        (written,) = decoded(encoder, [one]).time_series
        assert written.metric.type == metric_type(prefix, LEVEL.name)


def test_half_a_character_does_not_stop_the_others() -> None:
    one = Series(metric=LEVEL, labels=(("at", "\ud800"),), points=(Point(end_unix_ns=1, value=1.0),))
    (written,) = decoded(Encoder(PROJECT, PREFIX, RESOURCE), [one]).time_series
    assert written.metric.labels["at"] == "?"


def test_series_that_are_gone_are_forgotten_and_the_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_encoding, "MAX_GONE", 10)
    encoder = Encoder(PROJECT, PREFIX, RESOURCE)
    stays = Series(metric=LEVEL, labels=(), points=())
    encoder.encoding(stays).written_ns = 7
    gone = [Series(metric=LEVEL, labels=(("n", str(n)),), points=()) for n in range(11)]
    first, *_ = [encoder.encoding(one) for one in gone]
    encoder.forget_all_but([stays, gone[0]])
    assert encoder.encoding(gone[0]) is first
    encoder.forget_all_but([stays])
    assert encoder.encoding(stays).written_ns == 7
    assert encoder.encoding(gone[0]) is not first


def bucket_options(bounds: tuple[float, ...]) -> Any:
    value = Distribution(bounds=bounds, counts=(1, *(0,) * len(bounds)), sum=1.0)
    one = Series(metric=VALUES, labels=(), points=(Point(end_unix_ns=2, value=value, start_unix_ns=1),))
    (written,) = decoded(Encoder(PROJECT, PREFIX, RESOURCE), [one]).time_series
    return written.points[0].value.distribution_value.bucket_options


@pytest.mark.parametrize("step", [1, 2, 3, 8, 64])
def test_bounds_that_grow_by_a_factor_are_sent_as_the_factor(step: int) -> None:
    bounds = BOUNDS[::step]
    sent = bucket_options(bounds).exponential_buckets
    computed = [sent.scale * sent.growth_factor**index for index in range(sent.num_finite_buckets + 1)]
    assert computed == pytest.approx(bounds, rel=5e-4)
    assert (sent.scale, computed[-1]) == (BOUNDS[0], pytest.approx(bounds[-1]))


@pytest.mark.parametrize(
    "bounds", [UNEVEN, DURATIONS, (1.0,), (1.0, 2.0), (0.0, 1.0, 2.0), (-4.0, -2.0, -1.0)]
)
def test_other_bounds_are_sent_as_they_are(bounds: tuple[float, ...]) -> None:
    assert tuple(bucket_options(bounds).explicit_buckets.bounds) == bounds


def test_a_point_of_a_recorded_distribution_is_short() -> None:
    counts = [0] * (len(BOUNDS) + 1)
    counts[100:105] = 3, 900, 20_000, 50, 1
    encoder = Encoder(PROJECT, PREFIX, RESOURCE)
    value = Distribution(bounds=BOUNDS, counts=tuple(counts), sum=1.0)
    point = Point(end_unix_ns=2, value=value, start_unix_ns=1)
    one = Series(metric=VALUES, labels=(), points=(point,))
    assert len(encoder.request([(one, encoder.encoding(one), point)])) < 500


def test_series_with_the_same_label_keys_share_their_shape() -> None:
    encoder = Encoder(PROJECT, PREFIX, RESOURCE)
    made = [
        encoder.encoding(Series(metric=metric, labels=own, points=())).shape
        for metric, own in (
            (TOTAL, (("a", "x"),)),
            (TOTAL, (("a", "y"),)),
            (TOTAL, (("a", "x"), ("b", "x"))),
            (LEVEL, (("a", "x"),)),
        )
    ]
    assert [made.index(shape) for shape in made] == [0, 0, 2, 3]
    assert made[2].keys == {"a", "b"}
