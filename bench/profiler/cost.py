"""What one operation costs: against the floor, the peers' instruments and a plain call; threads and names.

Every ratio is of two medians of one process, measured in turns; the pure-Python core runs in a process of its
own with a floor of its own.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.profiler.peers import ROOT, Peers, note
from bench.row import Row, at_least, at_most, printed

HERE = Path(__file__).parent
ROUNDS = 101
STEPS = 20  # of the longer coroutine in cost_cases.py
PEERS = {
    "prometheus": ("prometheus_client Histogram.time()", 8),
    "opentelemetry": ("an OpenTelemetry span (SDK, batch processor, kept in memory)", 80),
    "contextmanager": ("an empty contextlib.contextmanager", 5),
}


def rows(peers: Peers) -> Iterator[Row]:
    """Cost rows of the compiled core, then of the pure one."""
    with tempfile.TemporaryDirectory(prefix="genesis-bench-") as folder:
        build_floor(Path(folder))
        note("cost of an operation, compiled")
        compiled = _cases(peers, folder, "compiled")
        note("cost of an operation, pure Python")
        pure = _cases(peers, folder, "pure")
    floor, never = compiled["floor"], compiled["never"]
    yield printed("floor: C null with plus two clock reads", floor, "ns")
    yield printed('compiled, cpu="never"', never, "ns")
    yield at_most('compiled, cpu="never", over the floor', never / floor, "x", 1.4)
    for name, (title, goal) in PEERS.items():
        if name in compiled:
            yield printed(title, compiled[name], "ns")
            yield at_least(f"{title} over ours", compiled[name] / never, "x", goal)
    yield at_most("compiled, default (sampled CPU), over the floor", compiled["sampled"] / floor, "x", 2.2)
    yield printed('compiled, cpu="never", one label', compiled["labels"], "ns")
    yield at_most('pure Python, cpu="never", over the floor', pure["never"] / pure["floor"], "x", 6)
    yield printed("pure Python, default, over the floor", pure["sampled"] / pure["floor"], "x")
    yield at_most("sync decorator over a plain call, compiled", compiled["sync"], "ns", 80)
    yield at_most("async decorator, call of one step, over a plain one", compiled["async 1"], "ns", 150)
    further = (compiled[f"async {STEPS}"] - compiled["async 1"]) / (STEPS - 1)
    yield at_most("async decorator, each further step, over a plain one", further, "ns", 150)
    grid = compiled["grid"]
    yield at_most(
        f"1 to 32 threads, 1 to 200 operations: dearest ({_dearest(grid)}) over cheapest",
        max(grid.values()) / min(grid.values()),
        "x",
        1.3,
    )


def _dearest(grid: dict[str, float]) -> str:
    return max(grid, key=lambda cell: grid[cell])


def _cases(peers: Peers, floor: str, core: str) -> dict[str, Any]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GENESIS_PERF")}
    if core == "pure":
        environment["GENESIS_PERF_PURE_PYTHON"] = "1"
    command = [str(peers.python), str(HERE / "cost_cases.py"), floor, str(ROUNDS)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    costs: dict[str, Any] = json.loads(done.stdout)
    if costs["core"] != core:
        raise RuntimeError(f"the {core} core was asked for, the {costs['core']} one ran")
    return costs


def build_floor(folder: Path) -> None:
    """Compile ``floor.c`` as setuptools compiles our core, its extra flags included."""
    from distutils.core import run_setup  # setuptools' own, where Python has none any more

    core = run_setup(str(ROOT / "setup.py"), stop_after="init").ext_modules[0]
    of = sysconfig.get_config_vars()
    target = folder / f"floor{of['EXT_SUFFIX']}"
    command = [
        *shlex.split(f"{of['CC']} -shared {of['CFLAGS']} {of['CCSHARED']}"),
        *core.extra_compile_args,
        f"-I{sysconfig.get_path('include')}",
        str(HERE / "floor.c"),
        "-o",
        str(target),
    ]
    subprocess.run(command, check=True)
