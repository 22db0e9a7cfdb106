"""Each measurement is a module of its own in a process of its own, with nothing of the caller's settings."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.peers import ROOT
from genesis_performance.emulator import SpawnedEmulator, spawn_emulator

PROJECT = "bench"
LIMIT_S = 900
FOREIGN = ("GENESIS_", "GOOGLE_", "GCP_", "OTEL_", "SECRET_")
MONITORING = "GENESIS_PERF__MONITORING__"


def surroundings(
    folder: Path, emulator: SpawnedEmulator | None = None, **monitoring: object
) -> dict[str, str]:
    """Environment variables of a case.

    Args:
        folder: of the buffer and everything else that it writes.
        monitoring: settings of that section.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    kept |= {
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src"))),
        "NO_GCE_CHECK": "true",  # no metadata server is asked for a project
        f"{MONITORING}BUFFER_DIR": str(folder / "buffer"),
    }
    if emulator is not None:
        kept |= {
            "GENESIS_PERF_EMULATOR": emulator.grpc,
            "GENESIS_PERF_EMULATOR_HTTP": emulator.http,
            "GOOGLE_CLOUD_PROJECT": PROJECT,
        }
    return kept | {f"{MONITORING}{key.upper()}": str(value) for key, value in monitoring.items()}


def started(
    case: str, *arguments: object, environ: dict[str, str], folder: Path, python: Path | None = None
) -> subprocess.Popen[str]:
    """``bench.monitor.CASE``, running; it reads from and writes to pipes."""
    return subprocess.Popen(
        [str(python or sys.executable), "-m", f"bench.monitor.{case}", *map(str, arguments)],
        env=environ,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> Any:
    """What a case found: the last line that it printed, which is JSON.

    Raises:
        RuntimeError: it failed, and its own words are on stderr, or took too long.
    """
    try:
        out, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise RuntimeError(f"{process.args!r} was not done after {LIMIT_S} s") from None
    if process.returncode != 0:
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
    return json.loads(out.splitlines()[-1])


def measured(
    case: str,
    *arguments: object,
    python: Path | None = None,
    emulated: bool = False,
    **monitoring: object,
) -> Any:
    """Run a case to its end, where it wants with an emulator that nobody else uses."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(temporary())
        emulator = stack.enter_context(spawn_emulator()) if emulated else None
        environ = surroundings(folder, emulator, **monitoring)
        return answer(started(case, *arguments, environ=environ, folder=folder, python=python))


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="genesis-bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def control(path: str, body: object = None, *, method: str | None = None) -> Any:
    """A request to the control API of this process's emulator."""
    data = None if body is None else json.dumps(body).encode()
    url = f"http://{os.environ['GENESIS_PERF_EMULATOR_HTTP']}/control/{path}"
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method)) as answered:
        return json.load(answered)
