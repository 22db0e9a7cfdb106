"""Model values as JSON text for other programs."""

from __future__ import annotations

import json
import math
from typing import Any

from ..errors import InvalidInputError

SCHEMA_VERSION = 1
"""Raised when a field changes its meaning or goes away; new fields do not raise it."""


def to_json(value: object, *, indent: int | None = 2) -> str:
    """One value, or a list of them, as ``{"schema_version": 1, "kind": …, "value": …}``.

    Decimals become strings, so that money stays exact; infinities and NaN become null, because JSON has
    neither.

    Raises:
        InvalidInputError: something in it has no form in JSON.
    """
    import msgspec

    try:
        plain = msgspec.to_builtins(value, str_keys=True)
    except (TypeError, NotImplementedError, RecursionError) as error:
        raise InvalidInputError(f"{type(value).__name__} has no form in JSON: {error}") from error
    document = {"schema_version": SCHEMA_VERSION, "kind": type(value).__name__, "value": _finite(plain)}
    return json.dumps(document, indent=indent, ensure_ascii=True, allow_nan=False)


def _finite(plain: Any) -> Any:
    if isinstance(plain, float):
        return plain if math.isfinite(plain) else None
    if isinstance(plain, dict):
        return {key: _finite(each) for key, each in plain.items()}
    if isinstance(plain, list | tuple):
        return [_finite(each) for each in plain]
    return plain
