"""Alerts and incidents in the history store; a store that fails is counted and never stops the evaluation.

Whoever evaluates an incident writes it, whoever acknowledges it may be another process: an acknowledgement is
a record of its own and put in when an incident is read, so that neither overwrites the other.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..errors import ConfigurationError, GenesisPerformanceError
from ..export.limits import Complaints
from ..model.alert import IncidentState, PerformanceAlert, PerformanceIncident
from ..model.change import Baseline
from .burn_rate import Saved

if TYPE_CHECKING:
    from ..storage import Store

log = logging.getLogger(__name__)

T = TypeVar("T")
_VALUES = frozenset({"current_value", "worst_value", "threshold"})
"""NaN where they are not known, which JSON does not have."""

INCIDENT, POLICY, NOTE, PROFILE, BASELINE = "incident", "policy", "note", "profile", "baseline"
ACKNOWLEDGED, MUTES, VERSION = "incident-acknowledged/", "notification-mutes", "service-version/"
WAITING, BUDGET, CLAIM = "notification-waiting/", "error-budget/", "incident-claim/"
"""Keys of notes."""

MAX_UNSAVED = 200
"""Incidents that wait for a store that can not be written."""

CLAIM_NS = 60 * 10**9
"""Who claims the same later does not mean the same event."""

NEWEST = 500
"""Incidents among which open ones are looked for."""


SLOW_S, REST_S = 1.0, 60.0
"""A store that failed only after so long is locked by somebody: it is left alone for a while."""


class Mute(NamedTuple):
    """Nobody is told of what it matches; "" matches everything."""

    alert: str
    service: str
    until_unix_ns: int

    def matches(self, incident: PerformanceIncident, now_ns: int) -> bool:
        return (
            now_ns < self.until_unix_ns
            and self.alert in {"", incident.alert_name}
            and self.service in {"", incident.service_name}
        )


class Release(NamedTuple):
    """A version of a service that replaced another."""

    version: str
    previous: str
    at_unix_ns: int


class MonitorRecords:
    """What the monitor keeps between processes.

    Args:
        store: a store, the URL of one, or None for the one of the settings. Opened at first use.
        raises: errors of the store are raised, as the command line wants it. A wrong setting always is.
    """

    def __init__(self, store: Store | str | None, complaints: Complaints, *, raises: bool = False) -> None:
        self._given = store
        self._raises = raises
        self._opened: Store | None = None
        self._complaints = complaints
        self._lock = threading.RLock()
        self._unsaved: dict[str, PerformanceIncident] = {}
        self._resting_until = 0.0
        self.failures = 0

    def put_alert(self, alert: PerformanceAlert) -> None:
        self._try(lambda: self._put(POLICY, alert.name, alert))

    def delete_alert(self, name: str) -> bool:
        return bool(self._try(lambda: self._store().delete(POLICY, name)))

    def alerts(self) -> list[PerformanceAlert]:
        return self._all(POLICY, PerformanceAlert)

    def put_incident(self, incident: PerformanceIncident) -> None:
        """Keep it; while the store can not be written it waits for ``catch_up``."""
        self._unsaved.pop(incident.id, None)
        if self._try(lambda: self._put(INCIDENT, incident.id, incident)) is None:
            while len(self._unsaved) >= MAX_UNSAVED:
                self._unsaved.pop(next(iter(self._unsaved)))
            self._unsaved[incident.id] = incident

    def waits(self, incident_id: str) -> bool:
        """Whether the store does not have its newest state yet."""
        return incident_id in self._unsaved

    def catch_up(self) -> None:
        """Write what could not be written before."""
        for incident in list(self._unsaved.values()):
            self.put_incident(incident)
            if incident.id in self._unsaved:  # it still fails; a locked store costs a wait each time
                return

    def incidents(self, limit: int | None = None) -> list[PerformanceIncident]:
        """The newest first."""
        return [self.seen(one) for one in self._all(INCIDENT, PerformanceIncident, limit)]

    def open_incidents(self) -> list[PerformanceIncident] | None:
        """Those of the local evaluation that are open; None when the store can not be read."""
        before = self.failures
        found = self.incidents(NEWEST)
        if self.failures != before:
            return None
        return [one for one in found if one.is_open and one.source == "local"]

    def incident(self, incident_id: str) -> PerformanceIncident | None:
        body = self._try(lambda: self._store().get(INCIDENT, incident_id))
        found = self._value(PerformanceIncident, body) if body else None
        return self.seen(found) if found is not None else None

    def claim(self, what: str, by: str, incident_id: str, now_ns: int) -> tuple[str, str] | None:
        """Say that this process opens or closes an incident; several may find so at the same moment.

        Returns who said so first and the incident's id; None when the store can not tell.
        """

        def first() -> tuple[str, str]:
            store = self._store()
            store.append(NOTE, CLAIM + what, {"by": by, "id": incident_id}, now_ns)
            found = store.list(NOTE, CLAIM + what, since_unix_ns=now_ns - CLAIM_NS)
            body = min(found, key=lambda one: one.id).body  # written first, whatever the clocks say
            return str(body["by"]), str(body["id"])

        return self._try(first)

    def unclaim(self, what: str) -> None:
        self._try(lambda: self._store().delete(NOTE, CLAIM + what))

    def acknowledge(self, incident_id: str, at_unix_ns: int, said: str) -> bool:
        """Note that somebody deals with it; False when that could not be kept."""
        body = {"at_unix_ns": at_unix_ns, "said": said}
        return self._try(lambda: bool(self._store().put(NOTE, ACKNOWLEDGED + incident_id, body))) is not None

    def acknowledgement(self, incident_id: str) -> tuple[int, str] | None:
        """When it was acknowledged, and what was said; None while it was not."""
        body = self._note(ACKNOWLEDGED + incident_id)
        if body is None or not isinstance(body.get("at_unix_ns"), int):
            return None
        return body["at_unix_ns"], str(body.get("said", ""))

    def mutes(self) -> list[Mute]:
        body = self._note(MUTES) or {}
        try:
            return [
                Mute(str(one["alert"]), str(one["service"]), int(one["until_unix_ns"]))
                for one in body.get("mutes", ())
            ]
        except (KeyError, TypeError, ValueError):
            return []

    def set_mutes(self, mutes: Iterable[Mute]) -> None:
        body = {"mutes": [one._asdict() for one in mutes]}
        self._try(lambda: self._store().put(NOTE, MUTES, body))

    def put_waiting(self, key: str, body: dict[str, Any]) -> bool:
        """Keep a notification that is not told yet; whether it was kept."""
        return self._try(lambda: self._store().put(NOTE, WAITING + key, body)) is not None

    def delete_waiting(self, key: str) -> bool | None:
        """Whether it was there; None when the store can not be written."""
        return self._try(lambda: bool(self._store().delete(NOTE, WAITING + key)))

    def waiting(self) -> list[tuple[str, dict[str, Any]]]:
        """Key and body of every notification that is not told yet, the oldest first."""
        notes = self._try(lambda: self._store().list(NOTE, newest_first=False)) or []
        return [(one.key.removeprefix(WAITING), one.body) for one in notes if one.key.startswith(WAITING)]

    def incident_body(self, incident: PerformanceIncident) -> dict[str, Any]:
        """The incident as it is kept."""
        return _body(incident)

    def incident_of(self, body: dict[str, Any]) -> PerformanceIncident | None:
        """The incident of such a body; None when it can not be read."""
        return self._value(PerformanceIncident, body)

    def budget(self, service: str, environment: str) -> Saved:
        """The counts of an error budget that the last process saved."""
        body = self._note(f"{BUDGET}{service}/{environment}") or {}
        counts = body.get("counts")
        if not isinstance(counts, list) or not all(_is_count(one) for one in counts):
            return []
        return counts

    def put_budget(self, service: str, environment: str, counts: Saved) -> None:
        self._try(lambda: self._store().put(NOTE, f"{BUDGET}{service}/{environment}", {"counts": counts}))

    def note_version(self, service: str, environment: str, version: str, now_ns: int) -> None:
        """Remember which version runs; the one before it stays known."""
        key = f"{VERSION}{service}/{environment}"
        known = self._note(key) or {}
        if known.get("version") == version:
            return
        body = {"version": version, "previous": known.get("version") or "", "at_unix_ns": now_ns}
        self._try(lambda: self._store().put(NOTE, key, body))

    def last_release(self, service: str, environment: str) -> Release | None:
        """The last change of version; None while only one is known."""
        body = self._note(f"{VERSION}{service}/{environment}")
        if not body or not body.get("previous"):
            return None
        return Release(str(body["version"]), str(body["previous"]), int(body["at_unix_ns"]))

    def profile_key(self, from_ns: int, to_ns: int) -> str | None:
        """The newest profiling session that ran in that time."""
        records = self._try(lambda: self._store().list(PROFILE, since_unix_ns=from_ns, limit=3)) or []
        for record in records:
            start = record.body.get("start_unix_ns", 0)
            if start <= to_ns and start + record.body.get("duration_s", 0) * 1e9 >= from_ns:
                return record.key
        return None

    def baseline(self, operation: str) -> Baseline | None:
        body = self._try(lambda: self._store().get(BASELINE, operation))
        return self._value(Baseline, body) if body else None

    def close(self) -> None:
        """Close what was opened here; a store that was given stays open."""
        opened, self._opened = self._opened, None
        if opened is not None and isinstance(self._given, str | None):
            opened.close()

    def after_fork_in_child(self) -> None:
        self._lock = threading.RLock()
        self._unsaved.clear()  # they are the parent's

    def _put(self, kind: str, key: str, value: object) -> int:
        return self._store().put(kind, key, _body(value))

    def _all(self, kind: str, cls: type[T], limit: int | None = None) -> list[T]:
        records = self._try(lambda: self._store().list(kind, limit=limit)) or []
        return [value for one in records if (value := self._value(cls, one.body)) is not None]

    def _value(self, cls: type[T], body: dict[str, Any]) -> T | None:
        from ..storage import from_body

        body = {name: math.nan if name in _VALUES and one is None else one for name, one in body.items()}
        return self._try(functools.partial(from_body, cls, body))

    def _note(self, key: str) -> dict[str, Any] | None:
        return self._try(lambda: self._store().get(NOTE, key))

    def seen(self, incident: PerformanceIncident) -> PerformanceIncident:
        """The incident with what other processes said of it."""
        if incident.state is not IncidentState.OPEN:
            return incident
        found = self.acknowledgement(incident.id)
        return acknowledged(incident, *found) if found is not None else incident

    def _store(self) -> Store:
        with self._lock:
            if self._opened is None:
                from ..storage import open_store

                given = self._given
                self._opened = open_store(given) if isinstance(given, str | None) else given
            return self._opened

    def _try(self, work: Callable[[], T]) -> T | None:
        begin = time.monotonic()
        if begin < self._resting_until:
            self.failures += 1
            return None
        try:
            return work()
        except ConfigurationError:
            raise
        except (GenesisPerformanceError, OSError) as error:
            if self._raises:
                raise
            self.failures += 1
            if time.monotonic() - begin > SLOW_S:
                self._resting_until = time.monotonic() + REST_S
            self._complaints.add("store", "alerts and incidents are not kept: %s", error)
            return None


def _is_count(one: object) -> bool:
    return isinstance(one, list) and len(one) == 3 and all(isinstance(number, int | float) for number in one)


def _body(value: object) -> dict[str, Any]:
    from ..storage import to_body

    body = to_body(value)
    unknown = {name: None for name in _VALUES if isinstance(one := body.get(name), float) and math.isnan(one)}
    return body | unknown


def acknowledged(incident: PerformanceIncident, at_unix_ns: int, said: str) -> PerformanceIncident:
    """The incident once somebody deals with it."""
    return dataclasses.replace(
        incident,
        state=IncidentState.ACKNOWLEDGED,
        timeline=(*incident.timeline, (at_unix_ns, f"acknowledged: {said}" if said else "acknowledged")),
    )
