"""How right the profilers are: the share of each function against what the workload measured itself.

A function's share is its inclusive time among the named functions of the workload. The score is the largest
difference of any function from the truth of the same run, in percentage points, and of the three runs of a
tool the median. All tools take turns within a run, so that what the machine does meets them all.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.profiler.peers import Peers, note
from bench.profiler.tools import DETERMINISTIC, OURS, SAMPLING, Stacks, Tool
from bench.row import Row, at_least, at_most, below, printed

SECONDS = 20
RUNS = 3
LIMIT_S = 60  # of one run: some tools take seconds to write their output
WORKLOADS = Path(__file__).with_name("workloads")
TITLES = {"one_thread": "one thread", "threads": "across threads", "awaited": "awaited time"}
GOALS = {"one_thread": 3.0, "threads": 0.5, "awaited": 1.0}
CLOCKS = {"one_thread": "cpu", "threads": "cpu", "awaited": "wall"}

Shares = dict[str, float]


def rows(peers: Peers) -> Iterator[Row]:
    """Errors of ours and of every peer, how they compare, and what the deterministic ones cost."""
    overheads: list[float] = []
    samples: list[float] = []
    for workload, title in TITLES.items():
        errors, ours = _errors(peers, workload)
        overheads += [report["overhead_percent"] for report in ours]
        samples += [report["samples"] for report in ours]
        mine = statistics.median(errors["ours"])
        yield at_most(f"largest error of any function's share, {title}", mine, "pp", GOALS[workload])
        yield printed(f"  worst of {RUNS} runs", max(errors["ours"]), "pp")
        others = {name: statistics.median(of) for name, of in errors.items() if name != "ours"}
        for name, error in others.items():
            yield printed(f"error of {name}, {title}", error, "pp")
        best = min(others.values(), default=math.inf)
        if workload == "one_thread":
            yield at_most(f"{title}: ours minus the best peer", mine - best, "pp", 2)
        else:
            yield below(f"{title}: ours over the best peer", mine / best, "x", 1)
    yield at_least("samples in each of our runs", min(samples), "", 1000)
    yield at_most("sampler thread's own CPU at the default rate", max(overheads), "%", 1)
    yield from _deterministic(peers)


def _errors(peers: Peers, workload: str) -> tuple[dict[str, list[float]], list[dict[str, float]]]:
    """Errors by tool, one a run, and what our sampler said of itself."""
    errors: dict[str, list[float]] = defaultdict(list)
    ours: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="genesis-bench-") as name:
        folder = Path(name)
        bare = _bare(peers, workload, folder)
        for turn in range(RUNS):
            for tool in (OURS, *SAMPLING):
                if tool.package in peers.missing or _failure(tool, workload) in peers.missing:
                    continue
                note(f"{TITLES[workload]}, run {turn + 1} of {RUNS}: {tool.name}")
                measured = _run(peers, tool, workload, folder, bare)
                if measured is None:
                    continue
                truth, stacks = measured
                errors[tool.name].append(_error(truth[CLOCKS[workload]], stacks))
                if tool is OURS:
                    ours.append(json.loads((folder / "report.json").read_text()))
    if not ours:
        raise RuntimeError(f"no run of ours on {workload} ended; its output is above")
    return errors, ours


def _bare(peers: Peers, workload: str, folder: Path) -> Path:
    """The workload without profiler: its sizes, and what its work costs."""
    out = folder / "bare.json"
    script = [str(WORKLOADS / f"{workload}.py"), str(out), "4"]
    subprocess.run([peers.python, *script], check=True)
    return out


def _run(peers: Peers, tool: Tool, workload: str, folder: Path, bare: Path) -> tuple[Any, Stacks] | None:
    report, truth = folder / "report.json", folder / "truth.json"
    report.unlink(missing_ok=True)
    script = [str(WORKLOADS / f"{workload}.py"), str(truth), str(SECONDS), str(bare)]
    try:
        done = subprocess.run(
            tool.command(peers, report, workload, script),
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        return json.loads(truth.read_text()), tool.read(report, workload)
    except subprocess.TimeoutExpired:
        peers.missing[_failure(tool, workload)] = f"did not end within {LIMIT_S} s"
    except (OSError, ValueError, KeyError) as error:
        said = " ".join(done.stderr.split())[-300:]
        peers.missing[_failure(tool, workload)] = f"{error!r}; it said: {said}"
    return None


def _error(truth: Shares, stacks: Stacks) -> float:
    """Largest difference of a function's share from the truth, in percentage points."""
    seen = dict.fromkeys(truth, 0.0)
    for functions, weight in stacks:
        for name in truth.keys() & {function.rpartition(".")[2] for function in functions}:
            seen[name] += weight
    wanted, found = _shares(truth), _shares(seen)
    return max(abs(wanted[name] - found[name]) for name in truth)


def _shares(times: Shares) -> Shares:
    total = sum(times.values()) or 1.0  # a tool that saw none of the functions is wrong by all of them
    return {name: 100 * time / total for name, time in times.items()}


def _failure(tool: Tool, workload: str) -> str:
    return f"{tool.name}, {TITLES[workload]}"


def _deterministic(peers: Peers) -> Iterator[Row]:
    """Error and slow-down of the profilers that see every call: CPU of the same work with and without."""
    with tempfile.TemporaryDirectory(prefix="genesis-bench-") as name:
        folder = Path(name)
        bare = _bare(peers, "one_thread", folder)
        plain = _cost(json.loads(bare.read_text()))
        for tool in DETERMINISTIC:
            if tool.package in peers.missing:
                continue
            note(f"one thread: {tool.name}")
            measured = _run(peers, tool, "one_thread", folder, bare)
            if measured is not None:
                truth, stacks = measured
                yield printed(f"error of {tool.name}, one thread", _error(truth["cpu"], stacks), "pp")
                yield printed(f"slow-down by {tool.name}, one thread", _cost(truth) / plain, "x")


def _cost(run: Any) -> float:
    return float(run["cpu_ns"] / run["units"])
