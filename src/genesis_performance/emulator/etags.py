"""Etags: a new one for every change, compared only when the caller sent one."""

from __future__ import annotations

import secrets


def new_etag() -> str:
    """An etag in Google's form: hexadecimal digits in quotes, which belong to it."""
    return f'"{secrets.token_hex(7)}"'
