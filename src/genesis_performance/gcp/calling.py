"""Call Google Cloud: deadline, retries and errors are ours, whatever the client's own defaults are.

Reads (``get_``, ``list_``, ``access_``, ``query_``, ``search_``) are tried again after UNAVAILABLE,
DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED and INTERNAL until their deadline; writes are sent once unless the
caller knows that they are idempotent and says so.

Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (full jitter).
"""

from __future__ import annotations

import asyncio
import copy
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from ..config import settings
from ..errors import CloudError, CloudUnavailableError
from .clients import client
from .errors import foreign, resource_of, translate

READS = ("get_", "list_", "access_", "query_", "search_")
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0


def call(
    service: str,
    method: str,
    request: Any,
    *,
    timeout_s: float | None = None,
    retry: bool | None = None,
    location: str | None = None,
) -> Any:
    """Call ``method`` of ``service`` and return its response.

    Args:
        service: a name of ``clients.SERVICES``.
        method: of the official client, for example ``"create_time_series"``.
        request: a mapping, a proto-plus message or a raw protobuf message (the quickest).
        timeout_s: for all tries together; ``gcp.timeout_s`` by default.
        retry: whether transient errors are tried again; by default reads are and writes are not.
        location: see ``clients.client``.

    Raises:
        CloudError: the service refused, or could not be reached in time; ``from`` Google's own error.
    """
    attempt = Attempt(
        f"{service}.{method} {resource_of(request)}".rstrip(), timeout_s, _may_retry(method, retry)
    )
    while True:
        try:
            send = getattr(client(service, location=location), method)
            return send(request=request, timeout=attempt.remaining_s(), retry=None)
        except foreign() as error:
            pause_s = attempt.pause_s(translate(error, attempt.what), error)
        time.sleep(pause_s)


async def acall(
    service: str,
    method: str,
    request: Any,
    *,
    timeout_s: float | None = None,
    retry: bool | None = None,
    location: str | None = None,
) -> Any:
    """``call`` on the running event loop."""
    attempt = Attempt(
        f"{service}.{method} {resource_of(request)}".rstrip(), timeout_s, _may_retry(method, retry)
    )
    while True:
        try:
            send = getattr(client(service, aio=True, location=location), method)
            return await send(request=request, timeout=attempt.remaining_s(), retry=None)
        except foreign() as error:
            pause_s = attempt.pause_s(translate(error, attempt.what), error)
        await asyncio.sleep(pause_s)


def each(service: str, method: str, request: Any, **options: Any) -> Iterator[Any]:
    """Every item of a list method; each page is a ``call`` of its own, with its own deadline."""
    token = ""
    while True:
        pager = call(service, method, _on_page(request, token), **options)
        page = next(iter(pager.pages))  # the one already fetched
        yield from _items(page)
        token = page.next_page_token
        if not token:
            return


async def aeach(service: str, method: str, request: Any, **options: Any) -> AsyncIterator[Any]:
    """``each`` on the running event loop."""
    token = ""
    while True:
        pager = await acall(service, method, _on_page(request, token), **options)
        page = await anext(aiter(pager.pages))
        for item in _items(page):
            yield item
        token = page.next_page_token
        if not token:
            return


class Attempt:
    """One call on its way: when it has to be over, and how long to wait before the next try."""

    def __init__(
        self,
        what: str,
        timeout_s: float | None,
        may_retry: bool,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.what = what
        self._may_retry = may_retry
        self._clock = clock
        self._chance = chance
        self._longest_s = FIRST_PAUSE_S
        self._ends = clock() + (settings().gcp.timeout_s if timeout_s is None else timeout_s)

    def remaining_s(self) -> float:
        return max(self._ends - self._clock(), 0.001)

    def pause_s(self, error: CloudError, cause: Exception) -> float:
        """Seconds until the next try.

        Raises:
            CloudError: ``error``, because there is none.
        """
        pause_s = max(self._chance() * self._longest_s, _asked_for_s(error.details))
        self._longest_s = min(self._longest_s * 2, LONGEST_PAUSE_S)
        transient = isinstance(error, CloudUnavailableError)
        if not (self._may_retry and transient and self._clock() + pause_s < self._ends):
            raise error from cause
        return pause_s


def _may_retry(method: str, said: bool | None) -> bool:
    return method.startswith(READS) if said is None else said


def _asked_for_s(details: tuple[Any, ...]) -> float:
    """The pause that the service asks for in ``google.rpc.RetryInfo``."""
    return max(
        (d.retry_delay.ToTimedelta().total_seconds() for d in details if hasattr(d, "retry_delay")),
        default=0.0,
    )


def _on_page(request: Any, token: str) -> Any:
    if not token:
        return request
    if isinstance(request, dict):
        return {**request, "page_token": token}
    request = copy.deepcopy(request) if not hasattr(type(request), "pb") else type(request)(request)
    request.page_token = token
    return request


def _items(page: Any) -> Any:
    """The page's items: its first repeated field, as AIP-4233 has generators find it."""
    fields = type(page).pb(page).DESCRIPTOR.fields
    first = min((f for f in fields if f.is_repeated and f.message_type), key=lambda f: f.number)
    return getattr(page, first.name)
