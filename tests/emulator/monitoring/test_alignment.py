"""Aligners and reducers: their values, their rules, and what must hold for any data."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis_performance.emulator.monitoring import alignment
from genesis_performance.emulator.monitoring.distribution import read
from genesis_performance.emulator.monitoring.messages import CUMULATIVE, DISTRIBUTION, DOUBLE, GAUGE, INT64
from genesis_performance.emulator.monitoring.series import Identity, Series
from genesis_performance.emulator.rpc_error import RpcError

from .build import TYPE, create, distribution, points_of, query, series

S = 1_000_000_000
T0 = 1_790_000_000 * S


def values(answer):
    return [points_of(item) for item in answer.time_series]


@pytest.fixture
def gauges(metrics, cloud):
    """Operations a and b in two zones: points every 20 s for two minutes, the newest now."""
    start = cloud.now_s - 100
    for at in range(6):
        metrics.CreateTimeSeries(
            create(
                series(
                    10 * scale + at,
                    start + 20 * at,
                    labels={"op": op},
                    resource="generic_node",
                    resource_labels={"location": zone, "namespace": "n", "node_id": "1"},
                )
                for scale, op, zone in (
                    (1, "a", "us-east1-b"),
                    (2, "b", "us-east1-b"),
                    (3, "a", "us-east1-c"),
                )
            )
        )
    return metrics


@pytest.mark.parametrize(
    ("aligner", "expected"),
    [
        ("ALIGN_MEAN", [14.0, 11.0]),
        ("ALIGN_SUM", [42, 33]),
        ("ALIGN_MIN", [13, 10]),
        ("ALIGN_MAX", [15, 12]),
        ("ALIGN_COUNT", [3, 3]),
        ("ALIGN_PERCENTILE_50", [14.0, 11.0]),
        ("ALIGN_PERCENTILE_99", [14.98, 11.98]),
        ("ALIGN_PERCENTILE_05", [13.1, 10.1]),
        ("ALIGN_PERCENTILE_95", [14.9, 11.9]),
    ],
)
def test_gauges_are_aligned(gauges, cloud, aligner, expected):
    answer = gauges.ListTimeSeries(query(cloud.now_s - 120, cloud.now_s, aligner=aligner, period_s=60))
    assert points_of(answer.time_series[0]) == pytest.approx(expected)


def test_periods_end_at_the_end_of_the_interval(gauges, cloud):
    answer = gauges.ListTimeSeries(
        query(cloud.now_s - 120, cloud.now_s - 7, aligner="ALIGN_COUNT", period_s=60)
    )
    ends = [point.interval.end_time.seconds for point in answer.time_series[0].points]
    assert ends == [int(cloud.now_s) - 7, int(cloud.now_s) - 67]


def test_periods_without_points_have_no_value(metrics, cloud):
    for offset in (-300, -60):
        metrics.CreateTimeSeries(create([series(1.0, cloud.now_s + offset)]))
    answer = metrics.ListTimeSeries(query(cloud.now_s - 600, cloud.now_s, aligner="ALIGN_MEAN", period_s=60))
    assert [point.interval.end_time.seconds - int(cloud.now_s) for point in answer.time_series[0].points] == [
        -60,
        -300,
    ]


def test_a_counter_becomes_deltas_and_rates(metrics, cloud):
    for minute, value in enumerate([10, 16, 16, 76]):
        metrics.CreateTimeSeries(
            create([series(value, cloud.now_s - 180 + 60 * minute, start_s=cloud.now_s - 240)])
        )
    after, until = cloud.now_s - 240, cloud.now_s
    deltas = metrics.ListTimeSeries(query(after, until, aligner="ALIGN_DELTA", period_s=60))
    assert values(deltas) == [[60, 0, 6, 10]]
    assert (deltas.time_series[0].metric_kind, deltas.time_series[0].value_type) == (2, 2)
    interval = deltas.time_series[0].points[0].interval
    assert interval.end_time.seconds - interval.start_time.seconds == 60
    rates = metrics.ListTimeSeries(query(after, until, aligner="ALIGN_RATE", period_s=60))
    assert values(rates) == [pytest.approx([1.0, 0.0, 0.1, 1 / 6])]


def test_a_counter_that_starts_again_counts_from_zero(metrics, cloud):
    now = cloud.now_s
    metrics.CreateTimeSeries(create([series(100, now - 60, start_s=now - 120)]))
    metrics.CreateTimeSeries(create([series(7, now, start_s=now - 59)]))
    answer = metrics.ListTimeSeries(query(now - 120, now, aligner="ALIGN_DELTA", period_s=60))
    assert values(answer) == [[7, 100]]


def test_a_gap_in_a_counter_is_interpolated(metrics, cloud):
    now = cloud.now_s
    metrics.CreateTimeSeries(create([series(0, now - 300, start_s=now - 301)]))
    metrics.CreateTimeSeries(create([series(50, now, start_s=now - 301)]))
    answer = metrics.ListTimeSeries(query(now - 300, now, aligner="ALIGN_DELTA", period_s=60))
    assert values(answer) == [[10, 10, 10, 10, 10]]


def test_distributions_are_merged_and_their_percentiles_taken(metrics, cloud):
    now = cloud.now_s
    for step in range(1, 4):
        item = series(distribution([0, 10 * step, 10 * step, 0]), now - 60 + 20 * step, start_s=now - 600)
        metrics.CreateTimeSeries(create([item]))
    where = {"aligner": "ALIGN_DELTA", "period_s": 60}
    merged = (
        metrics.ListTimeSeries(query(now - 30, now, **where))
        .time_series[0]
        .points[0]
        .value.distribution_value
    )
    assert list(merged.bucket_counts) == [0, 20, 20, 0]
    answer = metrics.ListTimeSeries(query(now - 30, now, reducer="REDUCE_PERCENTILE_95", **where))
    assert values(answer) == [pytest.approx([3.8])]


@pytest.mark.parametrize(
    ("reducer", "expected"),
    [
        ("REDUCE_SUM", [45, 75]),
        ("REDUCE_MEAN", [22.5, 37.5]),
        ("REDUCE_MIN", [15, 25]),
        ("REDUCE_MAX", [30, 50]),
        ("REDUCE_COUNT", [2, 2]),
        ("REDUCE_PERCENTILE_50", [22.5, 37.5]),
    ],
)
def test_series_are_reduced(metrics, cloud, reducer, expected):
    data = {"a": (15, 30), "b": (25, 50)}
    metrics.CreateTimeSeries(
        create(
            series(value, cloud.now_s, labels={"op": op, "n": str(n)})
            for op, pair in data.items()
            for n, value in enumerate(pair)
        )
    )
    answer = metrics.ListTimeSeries(
        query(
            cloud.now_s - 60,
            cloud.now_s,
            aligner="ALIGN_MAX",
            period_s=60,
            reducer=reducer,
            group_by=["metric.labels.op"],
        )
    )
    assert [points[0] for points in values(answer)] == pytest.approx(expected)
    assert [dict(item.metric.labels) for item in answer.time_series] == [{"op": "a"}, {"op": "b"}]


@pytest.mark.parametrize(
    ("fields", "groups"),
    [
        ([], 1),
        (["metric.label.op"], 2),
        (["resource.labels.location"], 2),
        (["metric.label.op", "resource.label.location"], 3),
        (["resource.type"], 1),
        (["metric.labels.absent"], 1),
        (["project"], 1),
        (["metadata.system_labels.region"], 1),
    ],
)
def test_groups_are_made_of_the_named_fields(gauges, cloud, fields, groups):
    answer = gauges.ListTimeSeries(
        query(
            cloud.now_s - 120,
            cloud.now_s,
            aligner="ALIGN_MEAN",
            period_s=60,
            reducer="REDUCE_SUM",
            group_by=fields,
        )
    )
    assert len(answer.time_series) == groups
    assert all(item.resource.labels["project_id"] == "demo" for item in answer.time_series)


def test_a_second_aggregation_works_on_the_first(gauges, cloud):
    answer = gauges.ListTimeSeries(
        query(
            cloud.now_s - 60,
            cloud.now_s,
            aligner="ALIGN_MEAN",
            period_s=60,
            reducer="REDUCE_SUM",
            group_by=["metric.labels.op"],
            second={"aligner": "ALIGN_MAX", "period_s": 120, "reducer": "REDUCE_MAX"},
        )
    )
    assert values(answer) == [[48.0]]  # op a: 14 + 34 in the last minute


@pytest.mark.parametrize(
    ("kind", "aligner"),
    [
        ("counter", "ALIGN_SUM"),
        ("counter", "ALIGN_MEAN"),
        ("counter", "ALIGN_PERCENTILE_95"),
        ("gauge", "ALIGN_DELTA"),
        ("gauge", "ALIGN_RATE"),
        ("counted distribution", "ALIGN_RATE"),
        ("counted distribution", "ALIGN_PERCENTILE_95"),
        ("distribution", "ALIGN_MEAN"),
        ("distribution", "ALIGN_COUNT"),
        ("boolean", "ALIGN_SUM"),
        ("boolean", "ALIGN_PERCENTILE_50"),
    ],
)
def test_aligners_that_do_not_fit_are_refused_in_the_services_words(metrics, cloud, kind, aligner):
    now = cloud.now_s
    item = {
        "counter": lambda: series(1, now, start_s=now - 60),
        "gauge": lambda: series(1.0, now),
        "counted distribution": lambda: series(distribution([1, 0, 0, 0]), now, start_s=now - 60),
        "distribution": lambda: series(distribution([1, 0, 0, 0]), now),
        "boolean": lambda: series(True, now),
    }[kind]()
    metrics.CreateTimeSeries(create([item]))
    with pytest.raises(RpcError) as caught:
        metrics.ListTimeSeries(query(now - 60, now, aligner=aligner, period_s=60))
    assert caught.value.message.startswith(
        f'Field aggregation.perSeriesAligner had an invalid value of "{aligner}": The aligner cannot be '
        "applied to "
        "metrics with kind "
    )


def test_percentiles_of_distributions_and_of_gauges_are_valid(metrics, cloud):
    metrics.CreateTimeSeries(create([series(distribution([0, 10, 0, 0]), cloud.now_s)]))
    answer = metrics.ListTimeSeries(
        query(cloud.now_s - 60, cloud.now_s, aligner="ALIGN_PERCENTILE_50", period_s=60)
    )
    assert values(answer) == [[1.5]]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"aligner": "ALIGN_MEAN"}, "INVALID_ARGUMENT", "at least 60 seconds"),
        ({"aligner": "ALIGN_MEAN", "period_s": 59}, "INVALID_ARGUMENT", "at least 60 seconds"),
        ({"aligner": "ALIGN_MEAN", "period_s": 10**9}, "INVALID_ARGUMENT", "at most"),
        ({"reducer": "REDUCE_SUM", "period_s": 60}, "INVALID_ARGUMENT", "other than ALIGN_NONE"),
        ({"aligner": "ALIGN_STDDEV", "period_s": 60}, "UNIMPLEMENTED", "ALIGN_STDDEV"),
        ({"aligner": "ALIGN_INTERPOLATE", "period_s": 60}, "UNIMPLEMENTED", "ALIGN_INTERPOLATE"),
        (
            {"aligner": "ALIGN_MEAN", "period_s": 60, "reducer": "REDUCE_STDDEV"},
            "UNIMPLEMENTED",
            "REDUCE_STDDEV",
        ),
        (
            {"aligner": "ALIGN_MEAN", "period_s": 60, "reducer": "REDUCE_SUM", "group_by": ["nonsense"]},
            "INVALID_ARGUMENT",
            "aggregation.groupByFields",
        ),
        ({"second": {"aligner": "ALIGN_MEAN", "period_s": 60}}, "INVALID_ARGUMENT", "only be specified if"),
    ],
)
def test_rules_of_aggregations(gauges, cloud, arguments, code, words):
    with pytest.raises(RpcError) as caught:
        gauges.ListTimeSeries(query(cloud.now_s - 60, cloud.now_s, **arguments))
    assert caught.value.code == code
    assert words in caught.value.message


@pytest.mark.parametrize("field", ["per_series_aligner", "cross_series_reducer"])
def test_unknown_aligners_and_reducers_are_refused(gauges, cloud, field):
    request = query(cloud.now_s - 60, cloud.now_s, aligner="ALIGN_MEAN", period_s=60)
    setattr(request.aggregation, field, 999)
    with pytest.raises(RpcError, match="is unknown"):
        gauges.ListTimeSeries(request)


def test_an_alignment_period_without_aligner_is_ignored(gauges, cloud):
    assert len(gauges.ListTimeSeries(query(cloud.now_s - 120, cloud.now_s, period_s=5)).time_series) == 3


def counter(increments, *, value_type=INT64, resets=()):
    """A counter with a point at each of the times ``(offset in s, increase)``."""
    source = Series(Identity(TYPE, (), "global", ()), CUMULATIVE, value_type)
    start, total = T0 - 10 * S, None
    for index, (offset, increase) in enumerate(increments):
        end = T0 + offset * S
        if index in resets and index > 0:
            start, total = source.ends[-1] + S // 1000, None
        total = increase if total is None else alignment.total([total, increase])
        source.append(start, end, total, end)
    return source


steps = st.lists(st.integers(5, 400), min_size=1, max_size=12).map(
    lambda gaps: [sum(gaps[: i + 1]) for i in range(len(gaps))]
)


@settings(max_examples=150)
@given(offsets=steps, data=st.data(), period_s=st.integers(60, 700), shift=st.integers(0, 699))
def test_the_sum_of_deltas_over_all_periods_is_the_whole_increase(offsets, data, period_s, shift):
    increases = data.draw(st.lists(st.integers(0, 10**17), min_size=len(offsets), max_size=len(offsets)))
    resets = data.draw(st.sets(st.integers(0, len(offsets) - 1)))
    source = counter(list(zip(offsets, increases, strict=True)), resets=resets)
    until = source.ends[-1] + shift * S
    aligned = alignment.align(source, "ALIGN_DELTA", period_s * S, T0 - 1000 * S, until)
    assert sum(aligned.values) == sum(increases)


@settings(max_examples=80)
@given(offsets=steps, data=st.data(), period_s=st.integers(60, 700))
def test_the_sum_of_distribution_deltas_has_every_value_once(offsets, data, period_s):
    buckets = st.lists(st.integers(0, 50), min_size=4, max_size=4)
    parts = [read(distribution(data.draw(buckets))) for _ in offsets]
    source = counter(list(zip(offsets, parts, strict=True)), value_type=DISTRIBUTION)
    aligned = alignment.align(source, "ALIGN_DELTA", period_s * S, T0 - 1000 * S, source.ends[-1])
    total = alignment.total(aligned.values)
    assert total.counts == tuple(map(sum, zip(*(part.counts for part in parts), strict=True)))


@given(offsets=steps, data=st.data())
def test_a_rate_is_the_delta_over_the_length_of_the_period(offsets, data):
    increases = data.draw(st.lists(st.integers(0, 1000), min_size=len(offsets), max_size=len(offsets)))
    source = counter(list(zip(offsets, increases, strict=True)))
    where = (60 * S, T0 - 60 * S, source.ends[-1])
    deltas = alignment.align(source, "ALIGN_DELTA", *where)
    rates = alignment.align(source, "ALIGN_RATE", *where)
    assert rates.values == pytest.approx([value / 60 for value in deltas.values])


@given(offsets=steps, data=st.data(), period_s=st.integers(60, 700))
def test_every_gauge_point_is_in_one_period(offsets, data, period_s):
    numbers = data.draw(st.lists(st.floats(-1e6, 1e6), min_size=len(offsets), max_size=len(offsets)))
    source = Series(Identity(TYPE, (), "global", ()), GAUGE, DOUBLE)
    for offset, number in zip(offsets, numbers, strict=True):
        source.append(T0 + offset * S, T0 + offset * S, number, T0)
    where = (period_s * S, T0, source.ends[-1])
    assert sum(alignment.align(source, "ALIGN_COUNT", *where).values) == len(numbers)
    assert sum(alignment.align(source, "ALIGN_SUM", *where).values) == pytest.approx(sum(numbers), abs=1e-3)
    lows, means, highs = (
        alignment.align(source, name, *where).values for name in ("ALIGN_MIN", "ALIGN_MEAN", "ALIGN_MAX")
    )
    assert all(low - 1e-6 <= mean <= high + 1e-6 for low, mean, high in zip(lows, means, highs, strict=True))


@given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.floats(0, 1))
def test_a_quantile_of_numbers_lies_among_them(numbers, q):
    found = alignment.quantile_among(numbers, q)
    assert min(numbers) - 1e-3 <= found <= max(numbers) + 1e-3


def test_every_aligner_and_reducer_of_the_client_is_computed_or_named_as_missing(gauges, cloud):
    request = query(cloud.now_s - 60, cloud.now_s, aligner="ALIGN_MEAN", period_s=60)
    for field, enum in (("per_series_aligner", "Aligner"), ("cross_series_reducer", "Reducer")):
        for name, number in getattr(type(request.aggregation), enum).items():
            request.aggregation.per_series_aligner = type(request.aggregation).Aligner.Value("ALIGN_MEAN")
            request.aggregation.cross_series_reducer = 0
            setattr(request.aggregation, field, number)
            refusals = []
            try:
                gauges.ListTimeSeries(request)
            except RpcError as error:
                refusals = [(error.code, name in error.message)]
            assert refusals in ([], [("UNIMPLEMENTED", True)], [("INVALID_ARGUMENT", True)])
