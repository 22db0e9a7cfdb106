"""speedscope's JSON: sampled and evented profiles, in any of its units.

Source of the format: speedscope's published file-format schema. Profiles with a name become threads of
that name; those in units of time share the column ``wall`` (speedscope does not tell which clock it was),
unless the exporter names the clock, as ours does. Units ``none`` are samples, ``bytes`` allocations.
"""

from __future__ import annotations

from typing import Any

from ...errors import InvalidInputError
from ...model.stacks import ALLOCATED, CPU, SAMPLES, WALL, Frame, StackProfile, ValueType
from ..gathering import Gathering
from ._numbers import TO_NANOSECONDS, whole
from .genesis_json import load

NAME = "speedscope"

SCHEMA = b"speedscope.app/file-format-schema"
LARGEST_LINE = 2**31 - 1
_MARKS = (b'"$schema"', b'"shared"', b'"profiles"')


def recognises(head: bytes) -> bool:
    """JSON that names speedscope's schema, or begins with the members of its files."""
    start = head.lstrip()
    return start.startswith(b"{") and (
        SCHEMA in head or b'"speedscope' in head or (any(mark in head[:400] for mark in _MARKS))
    )


def read(data: bytes) -> StackProfile:
    """The profile of a file's content.

    Raises:
        InvalidInputError: cut off, or not as speedscope's schema has it; the message names the member.
    """
    document = load(data)
    frames = _frames(_member(_member(document, "shared", dict, "it"), "frames", list, "shared"))
    profiles = _member(document, "profiles", list, "it")
    clock = CPU if str(document.get("exporter", "")).endswith("cpu clock") else WALL
    kinds = [_unit(each, f"profiles[{index}]", clock) for index, each in enumerate(profiles)]
    columns = list(dict.fromkeys(kind for kind, _ in kinds)) or [SAMPLES]
    made = Gathering(columns)
    place = [made.frame(frame) for frame in frames]
    lost = 0
    for number, (each, (kind, factor)) in enumerate(zip(profiles, kinds, strict=True)):
        where = f"profiles[{number}]"
        column, thread = columns.index(kind), str(each.get("name") or "")
        stacks = _sampled if each.get("type") == "sampled" else _evented
        for stack, weight in stacks(each, len(place), where):
            value = whole(weight, factor)
            if value is None:
                lost += 1
                continue
            row = [0] * len(columns)
            row[column] = value
            made.add(tuple([place[index] for index in stack]), row, thread)
    return made.profile(lost={"weights that are no number": lost})


def _member(document: Any, name: str, kind: type, where: str) -> Any:
    value = document.get(name) if isinstance(document, dict) else None
    if not isinstance(value, kind):
        raise InvalidInputError(f"{where} has no {name!r} as a speedscope file must; record it again")
    return value


def _frames(listed: list[Any]) -> list[Frame]:
    frames = []
    for index, each in enumerate(listed):
        name = _member(each, "name", str, f"shared.frames[{index}]")
        file, line = each.get("file"), each.get("line")
        known = isinstance(line, int) and not isinstance(line, bool) and 0 <= line <= LARGEST_LINE
        frames.append(Frame(name, file if isinstance(file, str) else "", line if known else 0))
    return frames


def _unit(profile: Any, where: str, clock: ValueType) -> tuple[ValueType, int]:
    unit = _member(profile, "unit", str, where)
    kind = _member(profile, "type", str, where)
    if kind not in ("sampled", "evented"):
        raise InvalidInputError(f"{where} is of type {kind!r}; speedscope has 'sampled' and 'evented'")
    if unit in TO_NANOSECONDS:
        return clock, TO_NANOSECONDS[unit]
    return (ALLOCATED, 1) if unit == "bytes" else (SAMPLES, 1)


_Stacks = list[tuple[tuple[int, ...], Any]]


def _sampled(profile: Any, frames: int, where: str) -> _Stacks:
    samples = _member(profile, "samples", list, where)
    weights = profile.get("weights") or [1] * len(samples)  # older exporters leave equal weights out
    if not isinstance(weights, list) or len(weights) != len(samples):
        raise InvalidInputError(f"{where} has {len(samples)} samples and other weights; record it again")
    for number, stack in enumerate(samples):
        if not isinstance(stack, list) or not all(_is_frame(index, frames) for index in stack):
            raise InvalidInputError(
                f"{where}.samples[{number}] names a frame that is not there; record it again"
            )
    return [(tuple(stack), weight) for stack, weight in zip(samples, weights, strict=True)]


def _evented(profile: Any, frames: int, where: str) -> _Stacks:
    """Time between two events belongs to the stack that was open; stacks are kept as a tree of paths."""
    events = _member(profile, "events", list, where)
    paths: dict[tuple[int, int], int] = {}  # path above and frame, to the path
    above, last = [0], [-1]  # of each path: the one above it and its frame
    weights: list[float] = [0]
    here, before = 0, _number(profile.get("startValue"), f"{where}.startValue")
    for number, event in enumerate(events):
        place = f"{where}.events[{number}]"
        kind, index = _member(event, "type", str, place), event.get("frame")
        if kind not in ("O", "C") or not _is_frame(index, frames):
            raise InvalidInputError(f"{place} neither opens nor closes a frame of the file; record it again")
        at = _number(event.get("at"), f"{place}.at")
        weights[here] += max(at - before, 0)
        before = max(at, before)
        if kind == "O":
            found = paths.get((here, index))
            if found is None:
                found = paths[here, index] = len(above)
                above.append(here)
                last.append(index)
                weights.append(0)
            here = found
        elif last[here] == index:
            here = above[here]
        else:
            raise InvalidInputError(
                f"{place} closes frame {index}, which is not the one open; record it again"
            )
    end = profile.get("endValue")
    weights[here] += max(_number(end, f"{where}.endValue") - before, 0) if here and end is not None else 0
    return _stacks(above, last, weights)


def _stacks(above: list[int], last: list[int], weights: list[float]) -> _Stacks:
    from ..gathering import MOST_LEVELS

    found: _Stacks = []
    levels = 0
    for path in range(1, len(above)):
        if not weights[path]:
            continue
        stack, at = [], path
        while at:
            stack.append(last[at])
            at = above[at]
        levels += len(stack)
        if levels > MOST_LEVELS:
            raise InvalidInputError(f"its stacks have more than {MOST_LEVELS:,} levels together")
        found.append((tuple(reversed(stack)), weights[path]))
    return found


def _is_frame(index: Any, frames: int) -> bool:
    return isinstance(index, int) and not isinstance(index, bool) and 0 <= index < frames


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
        raise InvalidInputError(f"{where} is {value!r}; it must be a number")
    return value
