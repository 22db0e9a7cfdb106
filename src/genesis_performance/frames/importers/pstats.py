"""Statistics of cProfile and of Tachyon (``python -m profiling.sampling --pstats``), in pstats' format.

Such a file has no stacks: for each function its own time, its time with calls, and the same for each caller.
The stacks here are an approximation. From where time was spent in calls from nowhere, calls are followed
downwards, the heaviest first; a function's time is divided among its call paths in proportion to the time
its callers spent in it, as if every call of it did the same. What is left after ``MOST_PATHS`` paths is put
under the heaviest chain of callers. So each function's own time is exact, its place in the stacks is a
guess; ``lost`` says so.

cProfile's times are wall time by default and become column ``wall``. The sampling profiler's lines are those
that ran; its callers are counts of samples. Marshal is read by a reader of our own (``_marshalled``).
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from ...errors import InvalidInputError
from ...model.stacks import SAMPLES, WALL, Frame, StackProfile
from ..gathering import Gathering
from ._marshalled import Pairs, Reader
from ._numbers import whole

NAME = "pstats (cProfile, Tachyon)"
APPROXIMATE = "exact call paths (guessed from callers and callees)"

MOST_PATHS = 20_000
DEEPEST = 200
LEAST_OUTSIDE = 0.001
"""Of a function's time that was in calls from nowhere: below, it is rounding and not the start of a path."""

LARGEST_LINE = 2**31 - 1
_NS = 1_000_000_000

_Function = tuple[str, int, str]  # file, line, name


@dataclass(slots=True)
class _Entry:
    calls: int
    own_ns: int
    total_ns: int
    total: int  # the same in the unit of ``callers``
    callers: dict[_Function, int] = field(default_factory=dict)  # time, or samples, in calls from there


def recognises(head: bytes) -> bool:
    """A marshalled mapping whose first key is a tuple, or which is empty."""
    return (
        len(head) > 1
        and head[0] & 0x7F == ord("{")
        and (head[1] & 0x7F in b"()" or head[:2] in (b"{0", b"\xfb0"))
    )


def read(data: bytes) -> StackProfile:
    """The profile of a file's content.

    Raises:
        InvalidInputError: cut off, or no statistics.
    """
    listed = Reader(data).read()
    if not isinstance(listed, Pairs):
        raise InvalidInputError("it holds no mapping as statistics of cProfile do; record it again")
    sampled = any(key == ("__sampled__",) for key, _ in listed if isinstance(key, tuple) and len(key) == 1)
    entries = {_function(key): _entry(value) for key, value in listed if not _is_mark(key)}
    made = Gathering((SAMPLES, WALL) if sampled else (WALL,))
    frames = {each: made.frame(_frame(each, sampled=sampled)) for each in entries}
    remaining = {each: entry.own_ns for each, entry in entries.items()}
    paths = 0
    for path, own_ns in _followed(entries):
        paths += 1
        given = min(own_ns, remaining[path[-1]])
        if given > 0:
            remaining[path[-1]] -= given
            _add(made, frames, entries, path, given, sampled=sampled)
    above = {
        each: sorted(
            (key for key in entry.callers if key in entries), key=entry.callers.__getitem__, reverse=True
        )
        for each, entry in entries.items()
    }
    for each, rest in remaining.items():
        if rest > 0:
            _add(made, frames, entries, _heaviest_chain(above, each), rest, sampled=sampled)
    return made.profile(lost={APPROXIMATE: paths})


def _is_mark(key: Any) -> bool:
    return isinstance(key, tuple) and len(key) == 1 and isinstance(key[0], str)


def _function(key: Any) -> _Function:
    if (
        isinstance(key, tuple)
        and len(key) == 3
        and isinstance(key[0], str)
        and isinstance(key[1], int)
        and isinstance(key[2], str)
    ):
        return key[0], key[1], key[2]
    raise InvalidInputError("an entry is not under (file, line, function) as in statistics of cProfile")


def _entry(value: Any) -> _Entry:
    if not isinstance(value, tuple) or len(value) != 5 or not isinstance(value[4], Pairs):
        raise InvalidInputError(
            "an entry has no (calls, calls, time, time, callers) as statistics of cProfile do"
        )
    calls, own, total = whole(value[0]), whole(value[2], _NS), whole(value[3], _NS)
    if calls is None or own is None or total is None:
        raise InvalidInputError("an entry has a time or count that is no number")
    callers = {}
    for key, spent in value[4]:
        # a tuple is (calls, calls, own time, time with calls) of cProfile; a number is a count of samples
        cost = whole(spent[3], _NS) if isinstance(spent, tuple) and len(spent) == 4 else whole(spent)
        if cost is None:
            raise InvalidInputError("a caller's time is no number")
        callers[_function(key)] = max(cost, 0)
    samples = whole(value[1]) if any(not isinstance(spent, tuple) for _, spent in value[4]) else None
    in_unit = total if samples is None else samples
    return _Entry(max(calls, 0), max(own, 0), max(total, 0), max(in_unit, 0), callers)


def _frame(function: _Function, *, sampled: bool) -> Frame:
    file, line, name = function
    line = line if 0 <= line <= LARGEST_LINE else 0
    if file in ("~", ""):  # built into the interpreter
        return Frame(name, "")
    return Frame(name, file, line, 0 if sampled else line)


def _add(
    made: Gathering,
    frames: dict[_Function, int],
    entries: dict[_Function, _Entry],
    path: tuple[_Function, ...],
    own_ns: int,
    *,
    sampled: bool,
) -> None:
    leaf = entries[path[-1]]
    row = (round(leaf.calls * own_ns / leaf.own_ns), own_ns) if sampled else (own_ns,)
    made.add(tuple([frames[each] for each in path]), row)


def _followed(entries: dict[_Function, _Entry]) -> list[tuple[tuple[_Function, ...], int]]:
    """Call paths from the functions called from nowhere, with the own time that falls to each."""
    callees: dict[_Function, list[tuple[_Function, float]]] = defaultdict(list)
    waiting: list[tuple[float, int, tuple[_Function, ...], float]] = []
    for order, (each, entry) in enumerate(entries.items()):
        known = {key: cost for key, cost in entry.callers.items() if key in entries and key != each}
        spent = sum(known.values())
        whole_time = max(entry.total, spent)
        for caller, cost in known.items():
            if cost:
                callees[caller].append((each, cost / whole_time))
        outside = 1 - spent / whole_time if whole_time else 1.0
        if outside > LEAST_OUTSIDE:
            waiting.append((-entry.total_ns * outside, order, (each,), outside))
    heapq.heapify(waiting)
    order = len(entries)
    most = order + 5 * MOST_PATHS
    found: list[tuple[tuple[_Function, ...], int]] = []
    while waiting and len(found) < MOST_PATHS:
        _, _, path, share = heapq.heappop(waiting)
        found.append((path, round(entries[path[-1]].own_ns * share)))
        if len(path) >= DEEPEST or order > most:
            continue
        for callee, part in callees[path[-1]]:
            if callee in path:
                continue
            below = share * part
            heapq.heappush(waiting, (-entries[callee].total_ns * below, order, (*path, callee), below))
            order += 1
    return found


def _heaviest_chain(above: dict[_Function, list[_Function]], leaf: _Function) -> tuple[_Function, ...]:
    chain, seen = [leaf], {leaf}
    while len(chain) < DEEPEST:
        caller = next((each for each in above[chain[-1]] if each not in seen), None)
        if caller is None:
            break
        chain.append(caller)
        seen.add(caller)
    return tuple(reversed(chain))
