"""What a workload measures about itself, written as JSON for the bench to compare the profilers with.

Each workload is a script of its own: ``python WORKLOAD OUT SECONDS [SIZES]``. It is the same program under
every profiler: SIZES is the file that a first run without profiler wrote, with the work per call in it.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path


class Truth:
    """CPU and wall time by function, and how much work was done for how much CPU."""

    def __init__(self) -> None:
        self.cpu: Counter[str] = Counter()
        self.wall: Counter[str] = Counter()
        self.sizes: dict[str, int] = {}
        self.units = 0  # of work, the same under every profiler
        self.cpu_ns = 0  # of the whole process while it did them

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(vars(self)))


def size_of(function: Callable[[int], object], target_ns: int) -> int:
    """How often to repeat what ``function`` does for about this much CPU time."""
    size, taken = 10, 0
    while taken < 20_000_000:
        size *= 2
        begin = time.thread_time_ns()
        function(size)
        taken = time.thread_time_ns() - begin
    return max(1, target_ns * size // taken)


def sizes() -> dict[str, int]:
    """The sizes of the first run; empty in the first run."""
    known: dict[str, int] = json.loads(Path(sys.argv[3]).read_text())["sizes"] if len(sys.argv) > 3 else {}
    return known


def run(main: Callable[[float], Truth]) -> None:
    """Run the workload as the command line says."""
    main(float(sys.argv[2])).write(Path(sys.argv[1]))
