"""The profilers: how each is started on a workload, and how its output is read into stacks.

Each as its own documentation says for the purpose, at 100 Hz (pyinstrument at its own default of 1 kHz, with
which it does better). What was chosen, and why, is in the README beside this file.
"""

from __future__ import annotations

import json
import pstats
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.profiler.peers import Peers

Stacks = list[tuple[list[str], float]]
"""Functions from root to leaf, and the time that was seen there."""


@dataclass(frozen=True)
class Tool:
    """A profiler: its package, its command for an output file and a script with arguments, its reader."""

    name: str
    package: str
    command: Callable[[Peers, Path, str, list[str]], list[str]]
    read: Callable[[Path, str], Stacks]
    deterministic: bool = False


def _ours(peers: Peers, out: Path, workload: str, script: list[str]) -> list[str]:
    return [str(peers.python), str(Path(__file__).with_name("ours.py")), str(out), *script]


def _read_ours(path: Path, workload: str) -> Stacks:
    column = "wall" if workload == "awaited" else "cpu"
    return [(stack["functions"], stack[column]) for stack in json.loads(path.read_text())["stacks"]]


def _py_spy(peers: Peers, out: Path, workload: str, script: list[str]) -> list[str]:
    idle = ["--idle"] if workload == "awaited" else []
    options = ["record", "-f", "raw", "-r", "100", *idle, "-o", str(out), "--"]
    return [peers.program("py-spy"), *options, str(peers.python), *script]


def _read_py_spy(path: Path, workload: str) -> Stacks:
    return [
        ([frame.partition(" (")[0] for frame in stack.split(";")], float(weight))
        for stack, _, weight in (line.rpartition(" ") for line in path.read_text().splitlines())
    ]


def _austin(peers: Peers, out: Path, workload: str, script: list[str]) -> list[str]:
    cpu = ["-s"] if workload == "threads" else []
    return [peers.program("austin"), *cpu, "-i", "10ms", "-o", str(out), str(peers.python), *script]


def _read_austin(path: Path, workload: str) -> Stacks:
    lines = [line for line in path.read_text().splitlines() if line.startswith("P")]
    return [
        ([frame.rsplit(":", 2)[-2] for frame in stack.split(";")[2:]], float(weight))
        for stack, _, weight in (line.rpartition(" ") for line in lines)
    ]


def _pyinstrument(peers: Peers, out: Path, workload: str, script: list[str]) -> list[str]:
    return [peers.program("pyinstrument"), "-r", "json", "--show-all", "-o", str(out), *script]


def _read_pyinstrument(path: Path, workload: str) -> Stacks:
    stacks: Stacks = []

    def walk(frame: dict[str, Any], above: list[str]) -> None:
        stack = [*above, frame["function"]]
        stacks.append((stack, frame["time"] - sum(child["time"] for child in frame["children"])))
        for child in frame["children"]:
            walk(child, stack)

    walk(json.loads(path.read_text())["root_frame"], [])
    return stacks


def _scalene(peers: Peers, out: Path, workload: str, script: list[str]) -> list[str]:
    options = ["run", "--cpu-only", "--cpu-percent-threshold", "0", "-o", str(out)]
    return [peers.program("scalene"), *options, script[0], "---", *script[1:]]


def _read_scalene(path: Path, workload: str) -> Stacks:
    return [
        ([frame.rpartition(" ")[2].partition(":")[0] for frame in stack], seen["cpu_samples"])
        for stack, seen in json.loads(path.read_text())["stacks"]
    ]


def _cprofile(peers: Peers, out: Path, workload: str, script: list[str]) -> list[str]:
    return [str(peers.python), "-m", "cProfile", "-o", str(out), *script]


def _yappi(peers: Peers, out: Path, workload: str, script: list[str]) -> list[str]:
    clock = "wall" if workload == "awaited" else "cpu"
    return [str(peers.python), "-m", "yappi", "-c", clock, "-f", "pstat", "-o", str(out), *script]


def _read_pstats(path: Path, workload: str) -> Stacks:
    """Cumulative times, each as a stack of its one function."""
    table: dict[tuple[str, int, str], tuple[int, int, float, float, Any]]
    table = vars(pstats.Stats(str(path)))["stats"]
    return [([function], times[3]) for (_, _, function), times in table.items()]


OURS = Tool("ours", "", _ours, _read_ours)
SAMPLING = (
    Tool("py-spy", "py-spy", _py_spy, _read_py_spy),
    Tool("Austin", "austin-dist", _austin, _read_austin),
    Tool("pyinstrument", "pyinstrument", _pyinstrument, _read_pyinstrument),
    Tool("Scalene", "scalene", _scalene, _read_scalene),
)
DETERMINISTIC = (
    Tool("cProfile", "", _cprofile, _read_pstats, deterministic=True),
    Tool("yappi", "yappi", _yappi, _read_pstats, deterministic=True),
)
