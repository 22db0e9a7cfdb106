"""Sorting and filtering of alert policies: the fields that ``filter`` and ``order_by`` of the list call may
name.

Source: https://cloud.google.com/monitoring/api/v3/sorting-and-filtering
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .filters import FilterError, Path, as_path
from .names import invalid


def policy_field(path: Path) -> Callable[[Any], object]:
    """The getter of a field of a policy.

    Raises:
        FilterError: policies can not be filtered by it.
    """
    whole = _WHOLE.get(path)
    if whole is not None:
        return whole
    match path:
        case (("name" | "display_name") as name, "size"):
            return lambda policy: len(getattr(policy, name))
        case ("user_label" | "user_labels", key):
            return lambda policy: policy.user_labels.get(key)
        case ("documentation", ("content" | "mime_type" | "subject") as part):
            return lambda policy: getattr(policy.documentation, part)
    raise FilterError(f"The field '{'.'.join(path)[:80]}' is not supported here.")


_WHOLE: dict[Path, Callable[[Any], object]] = {
    ("name",): lambda policy: policy.name,
    ("display_name",): lambda policy: policy.display_name,
    ("user_label",): lambda policy: dict(policy.user_labels),
    ("user_labels",): lambda policy: dict(policy.user_labels),
    ("notification_channels",): lambda policy: list(policy.notification_channels),
    ("enabled",): lambda policy: policy.enabled.value,
    ("combiner",): lambda policy: type(policy).ConditionCombinerType.Name(policy.combiner),
    ("severity",): lambda policy: type(policy).Severity.Name(policy.severity),
}


def order_policies(policies: Iterable[Any], order_by: str) -> list[Any]:
    """The policies in the order of a comma-separated list of fields, ``-`` for descending.

    Raises:
        RpcError: a field can not be ordered by.
    """
    ordered = list(policies)
    for part in reversed([piece.strip() for piece in order_by.split(",") if piece.strip()]):
        try:
            get = policy_field(as_path(part.removeprefix("-")))
        except FilterError as error:
            raise invalid("order_by", order_by, str(error)) from error
        ordered.sort(key=_sortable(get), reverse=part.startswith("-"))
    return ordered


def _sortable(get: Callable[[Any], object]) -> Callable[[Any], tuple[bool, str, int]]:
    def key(policy: Any) -> tuple[bool, str, int]:
        value = get(policy)
        number = value if isinstance(value, int) else 0
        return (value is not None, "" if isinstance(value, int) else str(value), number)

    return key
