"""Several secrets at once: read side by side, values by name, and the error when some could not be read."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, NoReturn, cast

from ..errors import CloudError, InvalidInputError
from .entry import Entry, Slot
from .flights import Flight, Outcome, own_copy
from .reading import Reading

NAMED = 5  # failures spelled out in the message


class SecretValues(dict[str, str]):
    """A dictionary that does not show its values, nor pickles them."""

    def __repr__(self) -> str:
        return f"<{len(self)} secrets: {', '.join(self)}; payloads left out>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        del self  # error trackers look into the mappings among a frame's locals
        raise TypeError("secrets are not pickled or copied; dict(values) makes a plain dictionary")


class SecretBatchError(CloudError):
    """Some secrets of a batch could not be read.

    Attributes:
        results: those that could, by name; none of an atomic batch.
        failures: the error of each that could not, by name.
    """

    def __init__(
        self, results: SecretValues, failures: Mapping[str, Exception], *, total: int | None = None
    ) -> None:
        shown = "; ".join(f"{name}: {error}" for name, error in list(failures.items())[:NAMED])
        more = f"; and {len(failures) - NAMED} more" if len(failures) > NAMED else ""
        codes = {error.code if isinstance(error, CloudError) else "UNKNOWN" for error in failures.values()}
        total = len(failures) + len(results) if total is None else total
        super().__init__(
            f"{len(failures)} of {total} secrets could not be read: {shown}{more}",
            code=codes.pop() if len(codes) == 1 else "UNKNOWN",
        )
        self.results = results
        self.failures = dict(failures)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("an error that holds secrets is not pickled or copied")


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names, each once, in their order.

    Raises:
        InvalidInputError: a single name instead of several, or something that is no list of names.
    """
    if isinstance(names, str | bytes):
        raise InvalidInputError("get_secrets takes a list of names; for a single one there is get_secret")
    try:
        return tuple(dict.fromkeys(names))
    except TypeError as error:
        raise InvalidInputError(f"get_secrets takes a list of names: {error}") from None


Passes = Generator[tuple[Mapping[str, Slot], int], dict[str, Outcome], dict[str, Outcome]]
"""Yields what to read, and since which tick (see ``Reading.begin``); is sent the outcomes."""


def fly(reading: Callable[[], Reading], passes: Passes) -> dict[str, Outcome]:
    """Read what a batch asks for, side by side."""
    try:
        wanted = next(passes)
        while True:
            wanted = passes.send(_read_all(reading(), *wanted))
    except StopIteration as end:
        return cast(dict[str, Outcome], end.value)


async def afly(reading: Callable[[], Reading], passes: Passes) -> dict[str, Outcome]:
    """``fly`` on the running event loop."""
    try:
        wanted = next(passes)
        while True:
            wanted = passes.send(await _aread_all(reading(), *wanted))
    except StopIteration as end:
        return cast(dict[str, Outcome], end.value)


def _read_all(reading: Reading, slots: Mapping[str, Slot], since: int) -> dict[str, Outcome]:
    flights: dict[str, Flight] = {}
    flying: set[Flight] = set()
    for name, slot in slots.items():
        if len(flying) >= reading.section.max_concurrency:
            flying = concurrent.futures.wait(flying, return_when=concurrent.futures.FIRST_COMPLETED).not_done
        flights[name] = reading.begin(slot, since=since)
        flying.add(flights[name])
    return {name: flight.result() for name, flight in flights.items()}


async def _aread_all(reading: Reading, slots: Mapping[str, Slot], since: int) -> dict[str, Outcome]:
    gate = asyncio.Semaphore(reading.section.max_concurrency)

    async def landed(slot: Slot) -> Outcome:
        async with gate:
            return await asyncio.wrap_future(reading.begin(slot, since=since))

    outcomes = await asyncio.gather(*map(landed, slots.values()))
    return dict(zip(slots, outcomes, strict=True))


def values(outcomes: Mapping[str, Outcome], *, atomic: bool = False) -> SecretValues:
    """Texts by name.

    Raises:
        SecretBatchError: there are failures among the outcomes; the error of an atomic batch has no values.
    """
    found, failures = _divided(outcomes)
    if not failures:
        return found
    failure = SecretBatchError(SecretValues() if atomic else found, failures, total=len(outcomes))
    del found  # error trackers look into the mappings among a frame's locals
    raise failure


def preloaded(
    slots: Mapping[Any, Slot], outcomes: Mapping[str, Outcome], strict: bool
) -> dict[str, Exception]:
    """The errors of a batch that nobody uses yet, by name.

    Raises:
        SecretBatchError: strict, and there are some.
    """
    for name in outcomes:
        slot = slots.get(name)
        if slot is not None:
            slot.preloads += 1
    failures = {name: own_copy(error) for name, error in outcomes.items() if not isinstance(error, Entry)}
    if strict and failures:
        values(outcomes, atomic=True)  # raises
    return failures


def no_text(name: str) -> InvalidInputError:
    return InvalidInputError(f"{name!r} is not UTF-8 text; get_secret_bytes returns it as it is")


def _divided(outcomes: Mapping[str, Outcome]) -> tuple[SecretValues, dict[str, Exception]]:
    """Texts and failures. Nothing is raised here, where a frame would hold payloads."""
    found, failures = SecretValues(), dict[str, Exception]()
    for name, outcome in outcomes.items():
        if not isinstance(outcome, Entry):
            failures[name] = own_copy(outcome)
        elif outcome.text is None:
            failures[name] = no_text(name)
        else:
            found[name] = outcome.text
    return found, failures
