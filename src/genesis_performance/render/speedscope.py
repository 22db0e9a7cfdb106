"""speedscope's JSON: one sampled profile a thread."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from ..frames.columns import clock_column
from ..model.stacks import StackProfile

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
MOST_PROFILES = 100
"""speedscope lists every profile in one menu; a service has a name for each of thousands of tasks."""

OTHERS = "(other threads)"
_UNITS = {"nanoseconds": "nanoseconds", "bytes": "bytes"}


def speedscope(profile: StackProfile, clock: str = "cpu", *, title: str = "", **_: Any) -> str:
    """The stacks of each thread, the busiest first; beyond ``MOST_PROFILES`` threads are added up.

    Operations are added up too: a profile for each would count everything twice. Select one first
    (``frames.of_operation``) to see it alone. Samples are in no order of time; use the left-heavy view.

    Args:
        clock: ``"cpu"`` or ``"wall"``, or another column; where the profile lacks it as in ``clock_column``.
    """
    column = clock_column(profile, clock)
    kind = profile.value_types[column]
    threads: dict[str, dict[tuple[int, ...], int]] = defaultdict(lambda: defaultdict(int))
    for stack, values, thread, _operation in profile.records:
        if values[column] > 0:
            threads[thread][stack] += values[column]
    sums = {thread: sum(stacks.values()) for thread, stacks in threads.items()}
    ordered = sorted(threads, key=lambda thread: (-sums[thread], thread))
    shown = {thread: threads[thread] for thread in ordered[:MOST_PROFILES]}
    for thread in ordered[MOST_PROFILES:]:
        rest = shown.setdefault(OTHERS, defaultdict(int))
        for stack, value in threads[thread].items():
            rest[stack] += value
    document = {
        "$schema": SCHEMA,
        "exporter": f"genesis-performance, {kind.name} clock",
        "name": title or f"{kind.name} profile",
        "activeProfileIndex": 0,
        "shared": {"frames": [_frame(each) for each in profile.frames]},
        "profiles": [
            {
                "type": "sampled",
                "name": thread,
                "unit": _UNITS.get(kind.unit, "none"),
                "startValue": 0,
                "endValue": sum(stacks.values()),
                "samples": list(stacks),
                "weights": list(stacks.values()),
            }
            for thread, stacks in shown.items()
        ],
    }
    return json.dumps(document, separators=(",", ":"))


def _frame(frame: Any) -> dict[str, str | int]:
    shown: dict[str, str | int] = {"name": frame.function}
    if frame.file:
        shown["file"] = frame.file
    if frame.line:
        shown["line"] = frame.line
    return shown
