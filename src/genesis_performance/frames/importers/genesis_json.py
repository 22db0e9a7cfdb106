"""Our own stacks as JSON: what ``render.profile_json`` writes."""

from __future__ import annotations

import json
import re
from typing import Any

from ...errors import InvalidInputError
from ...model.stacks import StackProfile
from ..gathering import Gathering
from ._numbers import LARGEST

NAME = "Genesis Performance stacks (JSON)"

SCHEMA_VERSION = 1
LONGEST_S = 1e9
_HEAD = re.compile(rb'\s*\{\s*"schema_version":\s*\d+,\s*"kind":\s*"StackProfile"')


def recognises(head: bytes) -> bool:
    """The head that our JSON has."""
    return _HEAD.match(head) is not None


def read(data: bytes) -> StackProfile:
    """The profile of a file's content.

    Raises:
        InvalidInputError: cut off, changed, or written by a newer version.
    """
    import msgspec

    document = load(data)
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise InvalidInputError(
            f"it has version {version!r}, this program reads {SCHEMA_VERSION}; update Genesis Performance"
        )
    try:
        stored = msgspec.convert(document.get("value"), StackProfile)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidInputError(f"it is no profile: {error}; export it again") from error
    if not 0 <= stored.duration_s <= LONGEST_S:  # NaN is neither
        raise InvalidInputError(f"its duration is {stored.duration_s} s, which can not be; export it again")
    made = Gathering(stored.value_types)
    place = [made.frame(frame) for frame in stored.frames]
    for number, (stack, values, thread, operation) in enumerate(stored.records):
        fits = len(values) == len(stored.value_types) and all(abs(value) <= LARGEST for value in values)
        if not fits or any(not 0 <= index < len(place) for index in stack):
            raise InvalidInputError(
                f"its record {number} names a frame or column that is not there; export it again"
            )
        made.add(tuple([place[index] for index in stack]), values, thread, operation)
    return made.like(stored)


def load(data: bytes) -> Any:
    """A JSON document.

    Raises:
        InvalidInputError: no JSON, cut off, or nested too deep; the message names the place.
    """
    try:
        return json.loads(data.decode("utf-8", "surrogatepass"))
    except json.JSONDecodeError as error:
        raise InvalidInputError(
            f"its JSON is damaged or cut off at line {error.lineno}, column {error.colno} ({error.msg}); "
            "copy it again from where it was written"
        ) from error
    except (ValueError, RecursionError) as error:  # not UTF-8, or numbers of thousands of digits
        raise InvalidInputError(f"it is no JSON that can be read: {error}; record it again") from error
