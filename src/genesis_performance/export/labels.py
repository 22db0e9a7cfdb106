"""Labels as Cloud Monitoring takes them: redacted, within its limits, in one order."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .catalog import ENVIRONMENT, SERVICE
from .limits import Complaints
from .redaction import MAX_LENGTH, redact, redact_value

Labels = tuple[tuple[str, str], ...]

MAX_LABELS = 30
MAX_KEY_LENGTH = 100
"""Of one metric, and characters of a key (https://cloud.google.com/monitoring/quotas)."""

_DELIBERATE = frozenset({SERVICE, ENVIRONMENT})
"""Chosen by who runs the service, and what alert policies look for: kept as they are."""

_KEY = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")


def clean_labels(
    items: Iterable[tuple[object, object]], fixed: Labels, complaints: Complaints, what: str
) -> Labels:
    """The labels in order of key, with ``fixed`` where the caller gave none of that key.

    What does not hold is left out or cut, counted and logged; the value is recorded all the same, so that
    totals stay right.
    """
    clean = dict(fixed)
    room = MAX_LABELS - len(clean)
    for key, value in items:
        key = exact(key)
        if type(key) is not str or len(key) > MAX_KEY_LENGTH or not _KEY.fullmatch(key):
            complaints.add(
                "label key refused",
                "metric %s: label key %s is left out; a key starts with a letter and holds at most %d "
                "letters, digits and underscores",
                redact(what),
                redact(repr(key))[:MAX_KEY_LENGTH],
                MAX_KEY_LENGTH,
            )
            continue
        if key not in clean:
            if room == 0:
                complaints.add(
                    "label refused",
                    "metric %s has more than %d labels; %s is left out, record fewer",
                    redact(what),
                    MAX_LABELS,
                    key,
                )
                continue
            room -= 1
        clean[key] = _text(value, key, complaints, what)
    return tuple(sorted(clean.items()))


def _text(value: object, key: str, complaints: Complaints, what: str) -> str:
    text = value if type(value) is str else _said(value)
    if len(text) > MAX_LENGTH:
        complaints.add(
            "label value cut",
            "metric %s: the value of label %s has %d characters and is cut; Cloud Monitoring takes %d",
            redact(what),
            key,
            len(text),
            MAX_LENGTH,
        )
    if key in _DELIBERATE:
        return text[:MAX_LENGTH].encode("utf-8", "replace").decode()
    return redact_value(text)


def exact(value: Any) -> Any:
    """The same; of a text of a class of its own, such as a member of an Enum, the text that it holds."""
    return str.__str__(value) if isinstance(value, str) else value


def _said(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str.__str__(value if isinstance(value, str) else str(value))
