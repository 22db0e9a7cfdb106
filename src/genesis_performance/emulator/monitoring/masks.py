"""Field masks: the listed fields of one message replace those of another.

A field that the new message does not have is cleared; a path may go into messages and, for maps, name a key
(``user_labels.team``). Source: the documentation of ``UpdateAlertPolicyRequest.update_mask``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .names import invalid

_READ_ONLY = ("name", "creation_record", "mutation_record", "validity")
_ALIASES = {"user_label": "user_labels"}


def apply_mask(paths: Iterable[str], source: Any, target: Any) -> None:
    """Copy the fields called ``paths`` from ``source`` to ``target``.

    Raises:
        RpcError: INVALID_ARGUMENT, a path names no field.
    """
    for path in paths:
        parts = path.split(".")
        parts[0] = _ALIASES.get(parts[0], parts[0])
        if parts[0] not in _READ_ONLY:
            _copy_path(path, parts, source, target)


def _copy_path(path: str, parts: list[str], source: Any, target: Any) -> None:
    head, rest = parts[0], parts[1:]
    field = target.DESCRIPTOR.fields_by_name.get(head)
    if field is None:
        raise invalid("update_mask", path, "There is no such field.")
    if not rest:
        _copy_field(head, source, target)
        return
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        key = ".".join(rest)
        held, given = getattr(target, head), getattr(source, head)
        if key in given:
            held[key] = given[key]
        else:
            held.pop(key, None)
        return
    if entry is None or isinstance(getattr(target, head), list) or hasattr(getattr(target, head), "extend"):
        raise invalid("update_mask", path, f"The field {head} has no parts that a mask can name.")
    _copy_path(path, rest, getattr(source, head), getattr(target, head))


def _copy_field(name: str, source: Any, target: Any) -> None:
    target.ClearField(name)
    only = type(source)()
    only.CopyFrom(source)
    for field in only.DESCRIPTOR.fields:
        if field.name != name:
            only.ClearField(field.name)
    target.MergeFrom(only)
