"""Which resource names, metric types and labels are legal, and the words that refuse the others.

Sources: the quotas page (label counts and lengths), the naming rules of user-defined metrics, and the error
texts that issue threads quote; ``rules.py`` lists each with its kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..rpc_error import RpcError

MAX_TYPE_CHARS = 200
MAX_LABELS = 30
MAX_PROMETHEUS_LABELS = 200
MAX_LABEL_KEY_CHARS = 100
MAX_LABEL_VALUE_CHARS = 1024
MAX_QUOTED_BYTES = 300

WRITABLE_DOMAINS = (
    "custom.googleapis.com",
    "external.googleapis.com",
    "workload.googleapis.com",
    "prometheus.googleapis.com",
)

_PROJECT = re.compile(r"projects/([A-Za-z0-9][A-Za-z0-9.:_-]{0,99})")
_TYPE = re.compile(r"[A-Za-z0-9.-]+(?:/[A-Za-z0-9_.-]+)+")
# Prometheus metric names may hold colons.
_PROMETHEUS_TYPE = re.compile(r"prometheus\.googleapis\.com(?:/[A-Za-z0-9_.:-]+)+")
_LABEL_KEY = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")


def invalid(field: str, value: str, reason: str) -> RpcError:
    """The service's usual sentence for a field that can not be so."""
    return RpcError("INVALID_ARGUMENT", f'Field {field} had an invalid value of "{short(value)}": {reason}')


def not_found(name: str) -> RpcError:
    return RpcError("NOT_FOUND", f'Requested entity was not found: "{short(name)}".')


def short(text: str, limit: int = MAX_QUOTED_BYTES) -> str:
    """Text for an error message: a status travels in HTTP/2 trailers, which hold 8 KiB in all."""
    content = text.encode("utf-8")
    return text if len(content) <= limit else f"{content[:limit].decode('utf-8', 'ignore')}..."


def project_of(name: str, field: str = "name") -> str:
    """The project id in ``projects/P``."""
    match = _PROJECT.fullmatch(name)
    if match is None:
        raise invalid(field, name, "must have the form projects/[PROJECT_ID_OR_NUMBER].")
    return match.group(1)


def child_of(name: str, collection: str) -> tuple[str, str]:
    """Project and id in ``projects/P/<collection>/ID``; the id may hold slashes only for metric types."""
    parent, found, child = name.partition(f"/{collection}/")
    if not found or not child or _PROJECT.fullmatch(parent) is None:
        raise invalid("name", name, f"must have the form projects/[PROJECT_ID_OR_NUMBER]/{collection}/[ID].")
    return parent.removeprefix("projects/"), child


def domain_of(metric_type: str) -> str:
    return metric_type.partition("/")[0]


def is_user_defined(metric_type: str) -> bool:
    return domain_of(metric_type) in WRITABLE_DOMAINS


def metric_type_problem(metric_type: str) -> str | None:
    """Why the type of a user-defined metric is refused, or ``None``."""
    shape = _PROMETHEUS_TYPE if domain_of(metric_type) == "prometheus.googleapis.com" else _TYPE
    if shape.fullmatch(metric_type) is None or "." not in domain_of(metric_type):
        return "The metric type must be a URL-formatted string with a domain and non-empty path."
    if len(metric_type) > MAX_TYPE_CHARS:
        return f"The metric type must not be longer than {MAX_TYPE_CHARS} characters."
    if not is_user_defined(metric_type):
        return f"The metric type must start with one of {', '.join(WRITABLE_DOMAINS)}."
    return None


def label_limit(metric_type: str) -> int:
    return MAX_PROMETHEUS_LABELS if domain_of(metric_type) == "prometheus.googleapis.com" else MAX_LABELS


def label_key_problem(key: str) -> str | None:
    if len(key) > MAX_LABEL_KEY_CHARS:
        return f"The label key must not be longer than {MAX_LABEL_KEY_CHARS} characters."
    if _LABEL_KEY.fullmatch(key) is None:
        return "The label key must start with a letter and hold only letters, digits and underscores."
    return None


def labels_problem(labels: Mapping[str, str]) -> tuple[str, str] | None:
    """The first label that breaks a limit, as ``(key, reason)``."""
    for key, value in labels.items():
        reason = label_key_problem(key)
        if reason is not None:
            return key, reason
        if len(value) > MAX_LABEL_VALUE_CHARS:
            return key, f"The label value must not be longer than {MAX_LABEL_VALUE_CHARS} characters."
    return None
