"""Hear of changes from Secret Manager itself: its notices, pulled from Pub/Sub or handed in by anyone.

A secret with topics publishes each of its changes. A notice makes the cache ask again for what it holds of
that secret; no value travels in one. Delivery is at least once; hearing a thing twice costs one read at most.

Source: https://cloud.google.com/secret-manager/docs/event-notifications
"""

from __future__ import annotations

import functools
import json
import logging
import os
import random
import re
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypedDict

from ..errors import CloudNotFoundError, ConfigurationError, MissingDependencyError, StateError
from .notices import WITHOUT_CHANGE

log = logging.getLogger(__name__)

BATCH = 100  # messages a pull
PULL_S = 30.0  # one pull waits so long for a message
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # between tries that fail
STOP_TIMEOUT_S = 5.0
FORK_TIMEOUT_S = 1.0  # a fork waits at most so long for the thread to leave gRPC
MAX_PUSH_BYTES = 14_000_000  # a message of 10 MB in base64, and what is around it

# What may change the value that a read brings. A rotation that is due is none yet: the version comes later.
CHANGES = frozenset({
    "SECRET_CREATE", "SECRET_UPDATE", "SECRET_DELETE", "SECRET_VERSION_ADD", "SECRET_VERSION_ENABLE",
    "SECRET_VERSION_DISABLE", "SECRET_VERSION_DESTROY", "SECRET_VERSION_DESTROY_SCHEDULED",
})  # fmt: skip

_VERSION = re.compile(r"/versions/[0-9]{1,18}")
_SECRET = re.compile(r"projects/[^/\s]{1,127}(?:/locations/[^/\s]{1,63})?/secrets/[a-zA-Z0-9_-]{1,255}")


class HearsOfChanges(Protocol):
    """What notices are for: an OptimizedSecretManager."""

    def secret_changed(self, resource: str) -> object:
        """The secret ``projects/P[/locations/L]/secrets/S`` or its ``/versions/N`` is not what it was."""

    def rely_on_notices(self, relies: bool) -> object:
        """Whether what is read from now on is watched."""


class Message(Protocol):
    """A pulled message: see ``gcp.pull_subscription.Received``."""

    @property
    def ack_id(self) -> str: ...

    @property
    def attributes(self) -> Mapping[str, str]: ...


class Subscription(Protocol):
    """See ``gcp.pull_subscription.PullSubscription``."""

    def pull(self, most: int, wait_s: float) -> Sequence[Message] | None: ...

    def acknowledge(self, ack_ids: Sequence[str]) -> None: ...

    def cancel(self) -> None: ...

    def resume(self) -> None: ...

    def close(self) -> None: ...


class NoticesReport(TypedDict):
    """``SecretNotices.report()``: counts of this process."""

    source: str | None
    running: bool
    listening_s: float | None  # since when every pull succeeded; None while none does
    received: int
    changes: int  # told to the manager
    ignored: int  # notices of what changes no value
    malformed: int  # messages that are no notices; they are acknowledged
    failed: int  # the manager could not take them; Pub/Sub delivers them again
    errors: int  # of Pub/Sub, each followed by a pause
    last_error: str | None


_living: weakref.WeakSet[SecretNotices] = weakref.WeakSet()


def _open_over_grpc(source: str) -> Subscription:
    from ..gcp.pull_subscription import open_subscription

    return open_subscription(source)


class SecretNotices:
    """Tells a manager which secrets have changed.

    Args:
        manager: is told.
        source: ``projects/P/subscriptions/S``, or ``projects/P/topics/T``. All who pull from one subscription
            share its messages, so where several processes cache secrets, name the topic: each process then
            makes a subscription of its own and deletes it in ``stop``. None: only ``handle_push`` is used.
        open_subscription: from Pub/Sub by default.
        clock: seconds, monotonic.
        chance: from 0 to 1, of the pauses.

    Raises:
        InvalidInputError: not such a name.
    """

    def __init__(
        self,
        manager: HearsOfChanges,
        source: str | None = None,
        *,
        open_subscription: Callable[[str], Subscription] = _open_over_grpc,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        if source is not None:
            from ..gcp.pull_subscription import check_source

            check_source(source)
        self._manager = manager
        self._source = source
        self._open = open_subscription
        self._clock = clock
        self._chance = chance
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._subscription: Subscription | None = None
        self._calling = threading.Lock()  # held by the thread while it is in a call of Pub/Sub
        self._may_call = threading.Event()
        self._may_call.set()
        self._is_held = False  # by a fork
        self._listening_since: float | None = None
        self._failures_in_row = 0
        self._last_error: str | None = None
        self._counts = _no_counts()
        _watch_forks()
        _living.add(self)

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def listening_since(self) -> float | None:
        """By the clock: what was read later than this has been watched ever since. None: nothing is."""
        return self._listening_since

    def start(self) -> None:
        """Start the thread that pulls, if it does not run yet in this process.

        A child of ``fork`` has none until it calls this.

        Raises:
            StateError: there is nothing to pull from.
        """
        if self._source is None:
            raise StateError("no subscription was given; give one, or hand notices to handle_push")
        if self.is_running:
            return
        with self._lock:
            if not self.is_running:
                self._stop = threading.Event()
                self._thread = threading.Thread(
                    target=self._run,
                    args=(self._source, self._stop),
                    name="genesis-secrets-notices",
                    daemon=True,
                )
                self._thread.start()

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """End the thread; what it was given and did not tell yet is delivered again. Twice is once."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stop.set()
            subscription = self._subscription
        if subscription is not None:
            subscription.cancel()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def handle_push(self, body: bytes | bytearray | str | Mapping[str, Any]) -> bool:
        """Take a notice that came over HTTP, as Pub/Sub pushes it or Eventarc delivers it.

        Check the sender's token before: whoever may call this can make the cache read secrets again.

        Args:
            body: of the request, or the JSON object in it.

        Returns:
            Whether to acknowledge: answer 204 then, and 503 otherwise, so that it comes again. What is no
            notice is acknowledged too, since it will never be one.
        """
        return self._take(_attributes(body))

    def report(self) -> NoticesReport:
        """What was heard, and whether anything can be."""
        since = self._listening_since
        with self._lock:
            counts = dict(self._counts)
        return {
            "source": self._source,
            "running": self.is_running,
            "listening_s": None if since is None else self._clock() - since,
            "received": counts["received"],
            "changes": counts["changes"],
            "ignored": counts["ignored"],
            "malformed": counts["malformed"],
            "failed": counts["failed"],
            "errors": counts["errors"],
            "last_error": self._last_error,
        }

    def before_fork(self) -> None:
        """Bring the thread out of gRPC, which does not work in children of a fork within a call."""
        if not self.is_running:
            return
        self._may_call.clear()
        with self._lock:
            subscription = self._subscription
        if subscription is not None:
            subscription.cancel()
        self._is_held = self._calling.acquire(timeout=FORK_TIMEOUT_S)

    def after_fork_in_parent(self) -> None:
        """Let the thread go on."""
        if self._subscription is not None and not self._stop.is_set():
            self._subscription.resume()
        if self._is_held:
            self._is_held = False
            self._calling.release()
        self._may_call.set()

    def after_fork_in_child(self) -> None:
        """No thread, no subscription, and nothing has been watched."""
        self._lock = threading.Lock()
        self._calling = threading.Lock()
        self._may_call = threading.Event()
        self._may_call.set()
        self._is_held = False
        self._stop = threading.Event()
        self._thread = self._subscription = None
        self._counts = _no_counts()
        self._set_listening(None)

    def _run(self, source: str, stop: threading.Event) -> None:
        subscription: Subscription | None = None
        try:
            while not stop.is_set():
                self._may_call.wait(FORK_TIMEOUT_S)
                try:
                    with self._calling:
                        if subscription is None:
                            subscription = self._opened(source, stop)
                        # The first one does not wait, so that it is soon known whether anything is heard.
                        wait_s = 0.0 if self._listening_since is None else PULL_S
                        messages = subscription.pull(BATCH, wait_s)
                    if messages is not None and not stop.is_set():
                        self._heard()
                        self._take_all(subscription, messages)
                except (MissingDependencyError, ConfigurationError) as error:
                    self._missed(error)
                    log.error("secrets are not watched: %s", error)
                    return  # no waiting repairs this
                except Exception as error:  # noqa: BLE001 - the host must not notice, and it may pass
                    pause_s = self._missed(error)
                    if isinstance(error, CloudNotFoundError):
                        subscription = None  # an own one that expired is made anew
                    stop.wait(pause_s)
        finally:
            self._set_listening(None)
            with self._calling:
                _close(subscription)

    def _opened(self, source: str, stop: threading.Event) -> Subscription:
        subscription = self._open(source)
        with self._lock:
            self._subscription = subscription
            if stop.is_set():  # while it was opened
                subscription.cancel()
        return subscription

    def _heard(self) -> None:
        self._failures_in_row = 0
        if self._listening_since is None:
            self._set_listening(self._clock())
            log.info("secrets are watched: notices come from %s", self._source)

    def _missed(self, error: Exception) -> float:
        """Count it; returns the seconds to wait. Said once, not with each try."""
        self._count("errors")
        self._set_listening(None)
        text = str(error)
        if self._failures_in_row == 0 or text != self._last_error:
            log.warning("secrets are not watched for now, notices can not be pulled: %s", text)
        self._last_error = text
        longest_s = min(FIRST_PAUSE_S * 2.0**self._failures_in_row, LONGEST_PAUSE_S)
        self._failures_in_row = min(self._failures_in_row + 1, 10)
        return max(self._chance(), 0.1) * longest_s

    def _set_listening(self, since: float | None) -> None:
        before, self._listening_since = self._listening_since, since
        if (before is None) != (since is None):
            try:
                self._manager.rely_on_notices(since is not None)
            except Exception:
                log.exception("the manager could not be told whether notices arrive")

    def _take_all(self, subscription: Subscription, messages: Sequence[Message]) -> None:
        taken = [message.ack_id for message in messages if self._take(message.attributes)]
        if taken:
            with self._calling:
                subscription.acknowledge(taken)

    def _take(self, attributes: Mapping[str, Any] | None) -> bool:
        """Act on one message; returns whether it is done with."""
        self._count("received")
        event, resource = (attributes or {}).get("eventType"), (attributes or {}).get("secretId")
        if not isinstance(event, str) or event not in CHANGES | WITHOUT_CHANGE:
            self._count("malformed")
            return True
        if event in WITHOUT_CHANGE:
            self._count("ignored")
            return True
        if not isinstance(resource, str) or not _SECRET.fullmatch(resource):
            self._count("malformed")
            return True
        version = (attributes or {}).get("versionId")
        if isinstance(version, str) and _VERSION.fullmatch(version.removeprefix(resource)):
            resource += version.removeprefix(resource)
        try:
            self._manager.secret_changed(resource)
        except Exception:  # it is delivered again
            log.exception("the change of %s could not be taken", resource)
            self._count("failed")
            return False
        self._count("changes")
        return True

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1


def _no_counts() -> dict[str, int]:
    return dict.fromkeys(("received", "changes", "ignored", "malformed", "failed", "errors"), 0)


def _close(subscription: Subscription | None) -> None:
    if subscription is not None:
        try:
            subscription.close()
        except Exception as error:  # noqa: BLE001 - it expires by itself
            log.warning("a subscription could not be deleted: %s", error)


def _attributes(body: object) -> Mapping[str, Any] | None:
    """The attributes of the pushed message, or None if there is none to be found."""
    found = body
    if isinstance(found, bytes | bytearray | str):
        if len(found) > MAX_PUSH_BYTES:
            return None
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            return None
    for key in ("data", "message"):  # Eventarc's structured events have a data around the same
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    attributes = found.get("attributes") if isinstance(found, Mapping) else None
    return attributes if isinstance(attributes, Mapping) else None


@functools.cache
def _watch_forks() -> None:
    """With the first instance: the manager it tells exists by then, so in a child that is set right first."""
    os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)


def _before_fork() -> None:
    for notices in list(_living):
        notices.before_fork()


def _after_in_parent() -> None:
    for notices in list(_living):
        notices.after_fork_in_parent()


def _after_in_child() -> None:
    for notices in list(_living):
        notices.after_fork_in_child()
