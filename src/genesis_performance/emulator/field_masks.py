"""Updates by field mask: the named fields of one message replace those of another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from google.protobuf.message import Message

from .rpc_error import RpcError


def update(
    target: Any,
    source: Any,
    paths: Iterable[str],
    *,
    fixed: Collection[str] = (),
    refuse: Callable[[str], str] = "Field {} can not be updated.".format,
) -> None:
    """Copy the fields called ``paths`` from ``source``; what ``source`` does not have is cleared.

    Args:
        fixed: fields that may not be named.

    Raises:
        RpcError: INVALID_ARGUMENT, a path names no field or a fixed one.
    """
    for path in paths:
        parts = path.split(".")
        if parts[0] in fixed:
            raise RpcError("INVALID_ARGUMENT", refuse(path))
        _copy(target, source, parts, path)


def field_of(message: Any, name: str) -> Any:
    """The descriptor of a field, or ``None``; proto-plus calls ``type`` and the like ``type_``."""
    fields = message.DESCRIPTOR.fields_by_name
    return fields.get(name) or fields.get(f"{name}_")


def replaceable(message: Any, fixed: Collection[str]) -> list[str]:
    """Every field that an update without a mask replaces."""
    return [field.name for field in message.DESCRIPTOR.fields if field.name not in fixed]


def _copy(target: Any, source: Any, parts: list[str], path: str) -> None:
    name, rest = parts[0], parts[1:]
    field = field_of(target, name)
    if field is None:
        raise RpcError("INVALID_ARGUMENT", f"Invalid field mask: there is no field '{path[:200]}'.")
    name = field.name
    if not rest:
        _copy_field(target, source, name)
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, held, given = ".".join(rest), getattr(target, name), getattr(source, name)
        if key in given:
            held[key] = given[key]
        else:
            held.pop(key, None)
    elif not isinstance(getattr(target, name), Message):
        raise RpcError("INVALID_ARGUMENT", f"Invalid field mask: '{name}' has no parts that a mask can name.")
    else:
        _copy(getattr(target, name), getattr(source, name), rest, path)


def _copy_field(target: Any, source: Any, name: str) -> None:
    only = type(source)()
    only.CopyFrom(source)
    for other in source.DESCRIPTOR.fields:
        if other.name != name:
            only.ClearField(other.name)
    target.ClearField(name)
    target.MergeFrom(only)
