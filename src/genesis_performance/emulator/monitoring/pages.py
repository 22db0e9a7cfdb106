"""Page tokens: places in an answer, which hold for as long as the rest of the request stays the same."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any, TypeVar

from .names import invalid

T = TypeVar("T")


def fingerprint(request: Any) -> str:
    """What tells one query from another, whatever page of it is asked for."""
    same = type(request)()
    same.CopyFrom(request)
    same.ClearField("page_token")
    same.ClearField("page_size")
    return digest(same.SerializeToString(deterministic=True))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def token(mark: str, index: int, skipped: int = 0) -> str:
    return base64.urlsafe_b64encode(json.dumps([mark, index, skipped]).encode()).decode()


def place(text: str, mark: str) -> tuple[int, int]:
    """The index and the number of skipped points in a token; the beginning for an empty one.

    Raises:
        RpcError: it is no token, or one of another query.
    """
    if not text:
        return 0, 0
    try:
        found, index, skipped = json.loads(
            base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
        )
        if found == mark and int(index) >= 0 and int(skipped) >= 0:
            return int(index), int(skipped)
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass
    raise invalid("page_token", text, "It is not the next_page_token of a call with the same arguments.")


def cut(items: Sequence[T], size: int, text: str, mark: str, maximum: int) -> tuple[Sequence[T], str]:
    """One page of ``items`` and the token of the next; a size that is not positive means the maximum."""
    index, _ = place(text, mark)
    until = index + (min(size, maximum) if size > 0 else maximum)
    return items[index:until], token(mark, until) if until < len(items) else ""
