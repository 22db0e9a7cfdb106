"""Single flight: however many threads and event loops want a version, one of them asks for it.

A flight is a ``concurrent.futures.Future`` that is running from its first moment, so no waiter can cancel it
for the others. It ends with an outcome, an Entry or the error as a value: raising one exception object in
many threads would mix their tracebacks.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from concurrent.futures import Future

from ..errors import CloudUnavailableError
from .entry import Entry

Outcome = Entry | Exception
Flight = Future[Outcome]


class Flights:
    """The reads on their way, by resource name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flying: dict[str, Flight] = {}

    def join(self, resource: str, kept: Callable[[], Outcome | None]) -> tuple[Flight, bool]:
        """The flight for ``resource``, and whether the caller has to fly it.

        Args:
            kept: what the cache holds; asked once more under the lock, because a flight may have landed
                since the caller looked.
        """
        with self._lock:
            found = kept()
            flight = None if found is not None else self._flying.get(resource)
            if flight is not None:
                return flight, False
            flight = Future()
            flight.set_running_or_notify_cancel()
            if found is not None:
                flight.set_result(found)
                return flight, False
            self._flying[resource] = flight
            return flight, True

    def land(self, resource: str, flight: Flight, outcome: Outcome) -> None:
        with self._lock:
            if self._flying.get(resource) is flight:
                del self._flying[resource]
        if not flight.done():  # abandoned before it landed
            flight.set_result(outcome)

    def leave(self, resource: str) -> None:
        """Let those on their way land, but nobody new join them: the value was invalidated."""
        with self._lock:
            self._flying.pop(resource, None)

    def abandon(self) -> None:
        """End every flight with an error: nobody is left to fly it."""
        with self._lock:
            flights = list(self._flying.items())
            self._flying.clear()
        for resource, flight in flights:
            if not flight.done():
                flight.set_result(
                    CloudUnavailableError(f"{resource}: closed while it was read", code="CANCELLED")
                )


def unwrapped(outcome: Outcome) -> Entry:
    """The entry of an outcome.

    Raises:
        Exception: the outcome's error, a copy for each waiter.
    """
    if isinstance(outcome, Entry):
        return outcome
    raise own_copy(outcome)


def own_copy(error: Exception) -> Exception:
    """The same error for one more waiter, without the frames of the others."""
    try:
        own = copy.copy(error)
    except Exception:  # noqa: BLE001 - a foreign error that can not be copied is raised as it is
        return error
    own.__cause__ = error.__cause__
    own.__suppress_context__ = True
    return own
