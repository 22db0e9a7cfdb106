"""The one exception that an emulated service raises to answer with a gRPC status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class RpcError(Exception):
    """Answer the call with a status instead of a response.

    Args:
        code: canonical status name, for example ``"INVALID_ARGUMENT"``.
        message: the text the real service sends, as far as it is known.
        details: protobuf messages for ``google.rpc.Status.details``.
    """

    def __init__(self, code: str, message: str, details: Sequence[Any] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = tuple(details)
