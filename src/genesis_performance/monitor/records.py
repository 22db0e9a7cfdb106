"""Alerts and incidents in the history store; a store that fails is counted and never stops the evaluation."""

from __future__ import annotations

import functools
import logging
import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ..errors import ConfigurationError, GenesisPerformanceError
from ..export.limits import Complaints
from ..model.alert import PerformanceAlert, PerformanceIncident

if TYPE_CHECKING:
    from ..storage import Store

log = logging.getLogger(__name__)

T = TypeVar("T")
_VALUES = frozenset({"current_value", "worst_value", "threshold"})
"""NaN where they are not known, which JSON does not have."""

INCIDENT, POLICY = "incident", "policy"


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
        self.failures = 0

    def put_alert(self, alert: PerformanceAlert) -> None:
        self._try(lambda: self._put(POLICY, alert.name, alert))

    def delete_alert(self, name: str) -> bool:
        return bool(self._try(lambda: self._store().delete(POLICY, name)))

    def alerts(self) -> list[PerformanceAlert]:
        return self._all(POLICY, PerformanceAlert)

    def put_incident(self, incident: PerformanceIncident) -> None:
        self._try(lambda: self._put(INCIDENT, incident.id, incident))

    def incidents(self, limit: int | None = None) -> list[PerformanceIncident]:
        """The newest first."""
        return self._all(INCIDENT, PerformanceIncident, limit)

    def close(self) -> None:
        """Close what was opened here; a store that was given stays open."""
        opened, self._opened = self._opened, None
        if opened is not None and isinstance(self._given, str | None):
            opened.close()

    def after_fork_in_child(self) -> None:
        self._lock = threading.RLock()

    def _put(self, kind: str, key: str, value: object) -> None:
        from ..storage import to_body

        body = to_body(value)
        unknown = {
            name: None for name in _VALUES if isinstance(one := body.get(name), float) and math.isnan(one)
        }
        self._store().put(kind, key, body | unknown)

    def _all(self, kind: str, cls: type[T], limit: int | None = None) -> list[T]:
        from ..storage import from_body

        found: list[T] = []
        for record in self._try(lambda: self._store().list(kind, limit=limit)) or []:
            body = {
                name: math.nan if name in _VALUES and one is None else one
                for name, one in record.body.items()
            }
            value = self._try(functools.partial(from_body, cls, body))
            if value is not None:
                found.append(value)
        return found

    def _store(self) -> Store:
        with self._lock:
            if self._opened is None:
                from ..storage import open_store

                given = self._given
                self._opened = open_store(given) if isinstance(given, str | None) else given
            return self._opened

    def _try(self, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except ConfigurationError:
            raise
        except (GenesisPerformanceError, OSError) as error:
            if self._raises:
                raise
            self.failures += 1
            self._complaints.add("store", "alerts and incidents are not kept: %s", error)
            return None
