"""Signatures of webhook requests: HMAC-SHA256 over the time and the body, so that neither can be changed.

The header is ``X-Genesis-Signature: t=<unix seconds>,v1=<hex>``; signed is ``<t>.`` and the body. A receiver
calls ``verify``, which also refuses a request that is old, so that it can not be sent a second time.
"""

from __future__ import annotations

import hashlib
import hmac
import re

HEADER = "X-Genesis-Signature"
TOLERANCE_S = 300.0

_FORM = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


def sign(key: bytes, body: bytes, unix_s: int) -> str:
    """The header's value."""
    return f"t={unix_s},v1={_digest(key, body, unix_s)}"


def verify(
    key: bytes, body: bytes, header: str, *, now_unix_s: float, tolerance_s: float = TOLERANCE_S
) -> bool:
    """Whether whoever has the key sent this body, not longer ago than ``tolerance_s``."""
    match = _FORM.fullmatch(header)
    if match is None or abs(now_unix_s - int(match[1])) > tolerance_s:
        return False
    return hmac.compare_digest(match[2], _digest(key, body, int(match[1])))


def _digest(key: bytes, body: bytes, unix_s: int) -> str:
    return hmac.new(key, b"%d." % unix_s + body, hashlib.sha256).hexdigest()
