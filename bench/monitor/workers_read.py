"""What workers left in the emulator: ``python -m bench.monitor.workers_read SINK``; prints JSON."""

from __future__ import annotations

import json
import sys

from bench.monitor import reading

NAMES = {
    "wait_ms": "DISTRIBUTION",
    "orders": "COUNTER",
    "operation/duration": "DISTRIBUTION",
    "operation/count": "COUNTER",
}


def main() -> None:
    found = {name: reading.newest(reading.type_of(sys.argv[1], name, kind)) for name, kind in NAMES.items()}
    series = {name: len(each) for name, each in found.items()}
    print(
        json.dumps({"series": series, "values": {name: sum(each.values()) for name, each in found.items()}})
    )


if __name__ == "__main__":
    main()
