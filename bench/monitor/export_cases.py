"""CPU to export one interval: ``python -m bench.monitor.export_cases SENDER SERIES INTERVALS``; prints JSON.

A sender is ``otlp``, ``cloud_monitoring`` (ours), ``sdk-otlp`` or ``sdk-gcp`` (the peers), or
``sdk-otlp-default``: all points in one request, as the SDK sends them unless told otherwise. Half of the
series are counters, half are distributions, of 20 metrics; each gets two values in each interval. The first
export, which connects and creates what has to be there, is not measured. CPU time is that of all threads of
the process, from before the series are collected until the last answer is there. Runs in the peers'
environment.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.monitor import reading
from bench.monitor.processes import PROJECT
from bench.monitor.words import word

METRICS = tuple("abcdefghijklmnopqrst")  # no digits: ours takes them for ids
SPACING_S = 6.0  # a series may be written every 5 s
EXPORT_S = 120.0
MOST_POINTS = 200  # of a request: Google takes no more (https://docs.cloud.google.com/stackdriver/quotas)

Record = Callable[[], None]
Export = Callable[[], bool]


def label_sets(series: int) -> list[dict[str, str]]:
    return [
        {"route": f"/{word(number)}", "region": word(number % 7)} for number in range(series // len(METRICS))
    ]


def ours(series: int) -> tuple[Record, Export]:
    from genesis_performance.monitor import PerformanceMonitor

    monitor = PerformanceMonitor(service_name="bench")
    counters, values = [], []
    for number, metric in enumerate(METRICS):
        for labels in label_sets(series):
            if number % 2:
                values.append(monitor.distribution(f"bench_{metric}", labels, unit="ms"))
            else:
                counters.append(monitor.counter(f"bench_{metric}", labels, unit="1"))

    def record() -> None:
        for _ in range(2):
            for counter in counters:
                counter.add()
            for index, one in enumerate(values):
                one.record(float(1 + index % 900))

    return record, lambda: monitor.flush(EXPORT_S)


def sdk(exporter: Any, series: int) -> tuple[Record, Export]:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    reader = PeriodicExportingMetricReader(
        exporter, export_interval_millis=1e9, export_timeout_millis=1000 * EXPORT_S
    )
    resource = Resource.create(
        {
            "service.name": "bench",
            "service.namespace": "production",
            "service.instance.id": f"{os.getpid()}",
            "gcp.project_id": PROJECT,
            "location": "global",
            "cloud.region": "us-central1",
        }
    )
    meter = MeterProvider([reader], resource=resource).get_meter("bench")
    counters, values = [], []
    for number, metric in enumerate(METRICS):
        if number % 2:
            values.append(meter.create_histogram(f"bench_{metric}", "ms"))
        else:
            counters.append(meter.create_counter(f"bench_{metric}", "1"))
    sets = label_sets(series)

    def record() -> None:
        for _ in range(2):
            for counter in counters:
                for labels in sets:
                    counter.add(1, labels)
            for number, one in enumerate(values):
                for index, labels in enumerate(sets):
                    one.record(float(1 + (number * len(sets) + index) % 900), labels)

    return record, lambda: bool(reader.force_flush(1000 * EXPORT_S))


def sdk_otlp(series: int, points: int | None = MOST_POINTS) -> tuple[Record, Export]:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    packed = Compression.Gzip if os.environ["BENCH_COMPRESSION"] == "gzip" else Compression.NoCompression
    endpoint = f"http://{os.environ['GENESIS_PERF_EMULATOR_HTTP']}/v1/metrics"
    exporter = OTLPMetricExporter(
        endpoint=endpoint, compression=packed, timeout=EXPORT_S, max_export_batch_size=points
    )
    return sdk(exporter, series)


def sdk_otlp_default(series: int) -> tuple[Record, Export]:
    return sdk_otlp(series, points=None)


def sdk_gcp(series: int) -> tuple[Record, Export]:
    import grpc
    from google.cloud.monitoring_v3 import MetricServiceClient
    from opentelemetry.exporter.cloud_monitoring import CloudMonitoringMetricsExporter

    channel = grpc.insecure_channel(os.environ["GENESIS_PERF_EMULATOR"])
    transport = MetricServiceClient.get_transport_class("grpc")(channel=channel)
    client = MetricServiceClient(transport=transport)
    return sdk(CloudMonitoringMetricsExporter(project_id=PROJECT, client=client), series)


SENDERS = {
    "otlp": ours,
    "cloud_monitoring": ours,
    "sdk-otlp": sdk_otlp,
    "sdk-otlp-default": sdk_otlp_default,
    "sdk-gcp": sdk_gcp,
}


def stored(sender: str) -> tuple[int, float]:
    """Series of ours in the emulator, and the sum of what they counted."""
    found = 0
    total = 0.0
    for number, metric in enumerate(METRICS):
        kind = "histogram" if number % 2 else "counter"
        metric_type = {
            "otlp": f"prometheus.googleapis.com/{reading.OURS}.bench_{metric}/{kind}",
            "cloud_monitoring": f"custom.googleapis.com/{reading.OURS}/bench_{metric}",
            "sdk-otlp": f"prometheus.googleapis.com/bench_{metric}/{kind}",
            "sdk-gcp": f"workload.googleapis.com/bench_{metric}",
        }[sender.removesuffix("-default")]
        series = reading.newest(metric_type)
        found += len(series)
        total += sum(series.values())
    return found, total


def main() -> None:
    sender, series, intervals = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    record, export = SENDERS[sender](series)
    taken, lasted, complete = [], [], True
    for _ in range(intervals + 1):
        record()
        begun, used = time.monotonic(), time.process_time()
        complete &= export()
        taken.append(time.process_time() - used)
        lasted.append(time.monotonic() - begun)
        time.sleep(max(SPACING_S - lasted[-1], 0.0))
    arrived, total = stored(sender)
    given = 2 * series * (intervals + 1)
    print(
        json.dumps(
            {
                "cpu_s": taken[1:],
                "wall_s": lasted[1:],
                "complete": complete,
                "series": arrived,
                "lost": given - total,
                "given": given,
            }
        ),
        flush=True,
    )
    os._exit(0)  # nothing more is to be sent


if __name__ == "__main__":
    main()
