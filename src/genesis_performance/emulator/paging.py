"""Pages of a list: the tokens hold a place, and belong to the request they came from."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any, TypeVar

from .rpc_error import RpcError

T = TypeVar("T")


def page_of(
    items: Sequence[T], request: Any, *, most: int, usual: int | None = None
) -> tuple[Sequence[T], str]:
    """The page that ``request`` asks for, and the token of the next one.

    Args:
        most: larger sizes are cut to this one.
        usual: the size when none is asked for.
    """
    if request.page_size < 0:
        raise RpcError("INVALID_ARGUMENT", "page_size must not be negative.")
    mark = _mark(request)
    begin = _place(request.page_token, mark) if request.page_token else 0
    end = begin + min(request.page_size or usual or most, most)
    following = base64.urlsafe_b64encode(f"{mark}{end}".encode()).decode() if end < len(items) else ""
    return items[begin:end], following


def _mark(request: Any) -> str:
    same = type(request)()
    same.CopyFrom(request)
    same.ClearField("page_token")
    same.ClearField("page_size")
    return hashlib.sha256(same.SerializeToString(deterministic=True)).hexdigest()[:16]


def _place(token: str, mark: str) -> int:
    try:
        content = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        content = ""
    place = content.removeprefix(mark)
    if not content.startswith(mark) or not place.isdigit() or len(place) > 12:
        raise RpcError(
            "INVALID_ARGUMENT", "page_token is not the next_page_token of a call with the same arguments."
        )
    return int(place)
