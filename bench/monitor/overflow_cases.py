"""Label sets that the SDK gives up: ``python -m bench.monitor.overflow_cases SETS``; prints JSON.

One counter with so many label sets, read in memory: how many still have their own labels. Runs in the peers'
environment.
"""

from __future__ import annotations

import json
import sys

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader


def main() -> None:
    sets = int(sys.argv[1])
    reader = InMemoryMetricReader()
    counter = MeterProvider([reader]).get_meter("bench").create_counter("requests")
    for number in range(sets):
        counter.add(1, {"route": f"/items/{number}"})
    data = reader.get_metrics_data()
    assert data is not None
    points = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    kept = sum(1 for point in points if "route" in (point.attributes or {}))
    print(json.dumps({"kept": kept}))


if __name__ == "__main__":
    main()
