from genesis_performance.export.catalog import MEMORY_BYTES, OPERATION_COUNT, OPERATION_DURATION
from genesis_performance.export.prometheus_text import prometheus_text
from genesis_performance.model.series import Distribution, Metric, Point, Series


def series(metric: Metric, value: float | Distribution, **labels: str) -> Series:
    return Series(metric=metric, labels=tuple(labels.items()), points=(Point(end_unix_ns=1, value=value),))


def test_counters_gauges_and_labels_are_written() -> None:
    text = prometheus_text(
        [series(OPERATION_COUNT, 3, operation='a"b\\c\n'), series(MEMORY_BYTES, 17)], "genesis.performance"
    )
    assert text.splitlines() == [
        "# HELP genesis_performance_operation_count_total Operations that ended, by status: ok or error.",
        "# TYPE genesis_performance_operation_count_total counter",
        r'genesis_performance_operation_count_total{operation="a\"b\\c\n"} 3',
        "# HELP genesis_performance_process_memory_bytes Resident memory of the process.",
        "# TYPE genesis_performance_process_memory_bytes gauge",
        "genesis_performance_process_memory_bytes 17",
    ]


def test_a_histogram_is_cumulative_and_ends_in_infinity() -> None:
    value = Distribution(bounds=(1.0, 2.0, 4.0), counts=(1, 0, 2, 1), sum=12.5)
    lines = prometheus_text([series(OPERATION_DURATION, value, operation="pay")]).splitlines()[2:]
    assert lines == [
        'operation_duration_bucket{operation="pay",le="1.0"} 1',
        'operation_duration_bucket{operation="pay",le="4.0"} 3',
        'operation_duration_bucket{operation="pay",le="+Inf"} 4',
        'operation_duration_sum{operation="pay"} 12.5',
        'operation_duration_count{operation="pay"} 4',
    ]


def test_a_metric_has_one_type_line_however_many_series() -> None:
    text = prometheus_text([series(MEMORY_BYTES, 1, a="x"), series(MEMORY_BYTES, 2, a="y")])
    assert text.count("# TYPE") == 1


def test_nothing_recorded_is_an_empty_page() -> None:
    assert prometheus_text([]) == ""
