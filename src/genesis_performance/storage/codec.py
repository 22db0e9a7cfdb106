"""Model values to JSON bodies and back.

Fields that a newer version added are ignored when read, so that two versions can share one store. Decimals
become strings, the integer keys of histograms too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ..errors import InvalidInputError, StoreError

T = TypeVar("T")


def to_body(value: object) -> dict[str, Any]:
    """A frozen model value as a body.

    Raises:
        InvalidInputError: it is not a dataclass, or holds something that JSON can not.
    """
    import msgspec

    try:
        body = msgspec.to_builtins(value, str_keys=True)
    except (TypeError, NotImplementedError, RecursionError) as error:
        raise InvalidInputError(f"{type(value).__name__} can not be stored: {error}") from error
    if not isinstance(body, dict):
        raise InvalidInputError(f"{type(value).__name__} can not be stored; give a model value")
    return body


def from_body(cls: type[T], body: Mapping[str, Any]) -> T:
    """The model value that ``to_body`` made this body of.

    Raises:
        StoreError: a field is missing or of another type.
    """
    import msgspec

    try:
        return msgspec.convert(dict(body), cls, str_keys=True)
    except msgspec.ValidationError as error:
        raise StoreError(
            f"a stored {cls.__name__} can not be read: {error}; it was written by another version or changed"
        ) from error
