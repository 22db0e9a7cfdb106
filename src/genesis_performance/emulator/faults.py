"""The fault queue: what a test planted for the next calls of a method.

Faults of one method stand in a queue; a call takes the first whose dice falls. ``times`` counts the calls it
hit, and a fault that was used up leaves the queue. The dice are seeded, so a run can be repeated.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from dataclasses import fields as fields_of
from typing import Any

import grpc

from ..errors import InvalidInputError
from . import method_table

CODES = tuple(code.name for code in grpc.StatusCode)
MAX_DELAY_MS = 600_000.0  # ten minutes: longer is surely a mistake in the unit


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to calls of one method: an error, a delay, or a delay and then an error.

    It comes instead of what the method does, unless it is ``applied``: then the method runs first and its
    answer is late or lost.
    """

    method: str
    code: str = "OK"  # OK: only the delay
    times: int | None = 1  # None: until cleared
    delay_ms: float = 0.0
    probability: float = 1.0
    message: str = ""
    applied: bool = False


class FaultQueue:
    """Planted faults by method."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._queues: dict[str, list[Fault]] = {}

    def add(self, fields: Mapping[str, Any]) -> Fault:
        """Plant the fault that ``fields`` describe, in the words of ``POST /control/faults``."""
        fault = _checked(fields)
        self._queues.setdefault(fault.method, []).append(fault)
        return fault

    def take(self, method: str) -> Fault | None:
        """The fault for this call of ``method``, if any; it is counted as used."""
        queue = self._queues.get(method)
        if not queue:
            return None
        for index, fault in enumerate(queue):
            if fault.probability < 1.0 and self._random.random() >= fault.probability:
                continue
            if fault.times is not None:
                queue[index : index + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
            return fault
        return None

    def list(self) -> list[dict[str, Any]]:
        """Every fault still to come, ``times`` being what is left of it."""
        return [asdict(fault) for queue in self._queues.values() for fault in queue]

    def clear(self) -> int:
        """Remove all; returns how many there were."""
        count = sum(map(len, self._queues.values()))
        self._queues.clear()
        return count


def _checked(fields: Mapping[str, Any]) -> Fault:
    known = tuple(field.name for field in fields_of(Fault))
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise InvalidInputError(f"a fault has no field {', '.join(unknown)}; fields are {', '.join(known)}")
    method = fields.get("method")
    if not isinstance(method, str) or not method:
        raise InvalidInputError(
            "a fault needs a method, for example google.monitoring.v3.MetricService/CreateTimeSeries"
        )
    code = fields.get("code") or "OK"
    if code not in CODES:
        raise InvalidInputError(f"code is {code!r}; it must be one of {', '.join(CODES)}")
    times = fields.get("times", 1)
    if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
        raise InvalidInputError(
            f"times is {times!r}; it must be a whole number from 1, or null for every call"
        )
    delay_ms = _number(fields, "delay_ms", 0.0, MAX_DELAY_MS)
    probability = _number(fields, "probability", 1.0, 1.0)
    if probability == 0.0:
        raise InvalidInputError(
            "probability is 0: such a fault would never happen; it must be above 0, up to 1"
        )
    if code == "OK" and delay_ms == 0.0:
        raise InvalidInputError("a fault needs a code other than OK, or a delay_ms above 0")
    message = fields.get("message", "")
    if not isinstance(message, str):
        raise InvalidInputError(f"message is {message!r}; it must be a string")
    applied = fields.get("applied", False)
    if not isinstance(applied, bool):
        raise InvalidInputError(f"applied is {applied!r}; it must be true or false")
    return Fault(method_table.resolve(method), code, times, delay_ms, probability, message, applied)


def _number(fields: Mapping[str, Any], name: str, default: float, highest: float) -> float:
    value = fields.get(name, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 <= value <= highest:
        raise InvalidInputError(f"{name} is {value!r}; it must be a number from 0 to {highest:g}")
    return float(value)
