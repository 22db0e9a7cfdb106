"""Durations as they come in, made into checked runs; and files of them."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InvalidInputError, NoDataError
from ..model.operation import OperationSnapshot
from ..stats.histogram import spread

Runs = tuple[tuple[float, ...], ...]

MOST_VALUES = 10_000
"""Values kept of one run; of more, as many at evenly spaced ranks."""
MOST_OF_SNAPSHOT = 400


def checked_runs(samples: Iterable[Any], what: str) -> Runs:
    """Durations in milliseconds, one tuple a run. A flat list is one run.

    Raises:
        InvalidInputError: there are none, or one is not a finite number of at least 0.
    """
    if isinstance(samples, str | bytes | Mapping) or not isinstance(samples, Iterable):
        raise InvalidInputError(
            f"{what} is a {type(samples).__name__}; it must be a list of milliseconds or a list of runs"
        )
    values = list(samples)
    nested = [isinstance(value, Iterable) and not isinstance(value, str | bytes) for value in values]
    if any(nested) and not all(nested):
        place = nested.index(not nested[0])
        raise InvalidInputError(f"{what}[{place}]: numbers and lists are mixed; give one list or one a run")
    if any(nested):
        checked = tuple(_checked(list(run), f"{what}[{place}]") for place, run in enumerate(values))
    else:
        checked = (_checked(values, what),)
    if not any(checked):
        raise InvalidInputError(f"{what} is empty; at least one duration in milliseconds is needed")
    return tuple(run for run in checked if run)


def _checked(run: list[Any], what: str) -> tuple[float, ...]:
    checked = []
    for place, value in enumerate(run):
        fine = isinstance(value, numbers.Real) and not isinstance(value, bool)
        number = float(value) if fine and abs(value) < 1e300 else math.nan
        if not math.isfinite(number) or number < 0:
            raise InvalidInputError(
                f"{what}[{place}] is {value!r:.60}; a duration is a finite number of milliseconds, at least 0"
            )
        checked.append(number)
    return tuple(checked)


def thinned(run: Sequence[float], limit: int = MOST_VALUES) -> tuple[float, ...]:
    """The run, or ``limit`` of its values at evenly spaced ranks."""
    if len(run) <= limit:
        return tuple(run)
    ordered = sorted(run)
    return tuple(ordered[int((place + 0.5) * len(ordered) / limit)] for place in range(limit))


def snapshot_runs(snapshots: OperationSnapshot | Iterable[OperationSnapshot], what: str) -> Runs:
    """Values that stand for the histograms: each snapshot that recorded something is one run.

    Raises:
        NoDataError: nothing was recorded.
    """
    each = [snapshots] if isinstance(snapshots, OperationSnapshot) else list(snapshots)
    runs = [spread(snapshot.histogram.counts, MOST_OF_SNAPSHOT) for snapshot in each]
    if not any(runs):
        raise NoDataError(f"the {what} recorded no execution; compare again when there are some")
    return tuple(tuple(value / 1e6 for value in run) for run in runs if run)


def read_runs(path: Path, unnamed: str | None = None) -> dict[str, Runs]:
    """Runs by operation name, from a JSON file.

    It holds durations in milliseconds as a list, a list of runs, or an object of either by operation name; or
    what ``genesis-perf bench run --json`` prints. A bare list is called ``unnamed``, by default as the file.

    Raises:
        InvalidInputError: it can not be read as one of these.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"{path} can not be read as JSON: {error}") from error
    if isinstance(document, list):
        return {unnamed or path.stem: checked_runs(document, path.name)}
    if isinstance(document, dict) and "benchmarks" in document:
        results = document["benchmarks"]
        try:
            document = {result["benchmark_name"]: result["runs_ms"] for result in results}
        except (TypeError, KeyError) as error:
            raise InvalidInputError(
                f"{path}: every item of benchmarks must have benchmark_name and runs_ms ({error!r})"
            ) from error
    if not isinstance(document, dict):
        raise InvalidInputError(f"{path} holds {document!r:.60}; it must hold a list or an object of lists")
    return {str(name): checked_runs(runs, f"{path.name}: {name}") for name, runs in document.items()}
