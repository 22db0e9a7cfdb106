"""Whether conditions are met: the local twin of how Cloud Monitoring judges a policy.

A condition is met when its value is beyond the threshold now, was so ``duration`` ago, and no look in
between found otherwise. Without data the verdict stays as it was: a policy of ours says NO_OP. An incident
closes later than its condition stops being met; that is ``evaluation``'s matter.

Source: https://cloud.google.com/monitoring/alerts/concepts-indepth (retest window, partial metric data)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..model.alert import PerformanceAlert
from .kinds import held_for_s, violates

SECOND_NS = 1_000_000_000


@dataclass(slots=True)
class _Known:
    """What looking has found of one operation."""

    runs: deque[tuple[int, bool | None]] = field(default_factory=deque)  # since when: beyond, within, no data
    within_ns: int | None = None  # the last look that found the value within the threshold
    is_met: bool = False


class Verdicts:
    """Of all alerts of a process, by alert name and operation."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Known] = {}

    def step(self, alert: PerformanceAlert, values: Mapping[str, float], now_ns: int) -> None:
        """Take in what was looked at now."""
        held_ns = held_for_s(alert) * SECOND_NS
        operations = {operation for name, operation in self._known if name == alert.name}
        for operation in operations | values.keys():
            known = self._known.setdefault((alert.name, operation), _Known())
            value = values.get(operation)
            state = None if value is None else violates(alert, value)
            runs = known.runs
            while runs and runs[-1][0] >= now_ns:  # looked at twice, or the clock was set back
                runs.pop()
            if not runs or runs[-1][1] is not state:
                runs.append((now_ns, state))
            while len(runs) > 1 and runs[1][0] <= now_ns - held_ns:
                runs.popleft()
            if state is None:
                continue
            if not state:
                known.within_ns, known.is_met = now_ns, False
                continue
            was_within = known.within_ns is not None and now_ns - known.within_ns < held_ns
            known.is_met = not was_within and _state_at(runs, now_ns - held_ns) is True

    def is_met(self, alert_name: str, operation: str) -> bool:
        known = self._known.get((alert_name, operation))
        return known is not None and known.is_met

    def met(self, alert_name: str) -> set[str]:
        """Operations for which the alert's condition is met."""
        return {
            operation for (name, operation), one in self._known.items() if name == alert_name and one.is_met
        }

    def forget(self, alert_name: str, operation: str | None = None) -> None:
        """Know nothing of an alert, or of one operation of it, any more."""
        self._known = {
            key: known
            for key, known in self._known.items()
            if key[0] != alert_name or operation not in {None, key[1]}
        }


def _state_at(runs: deque[tuple[int, bool | None]], at_ns: int) -> bool | None:
    return next((state for since_ns, state in reversed(runs) if since_ns <= at_ns), None)
