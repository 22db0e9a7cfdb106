"""The emulator on a fast clock: ``python -m bench.monitor.fast_emulator FACTOR ORIGIN``.

Says where it serves on one line, and ends with its input.
"""

from __future__ import annotations

import json
import sys

from bench.monitor.clocks import FastClock
from genesis_performance.emulator import running_emulator
from genesis_performance.emulator.clock import Clock


def main() -> None:
    clock = FastClock(float(sys.argv[1]), int(sys.argv[2]))
    with running_emulator(clock=Clock(clock.unix_ns)) as emulator:
        print(json.dumps({"grpc": emulator.grpc, "http": emulator.http}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
