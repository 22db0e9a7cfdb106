"""Random values in random fields of a message, most of them at the edges of what a field can hold."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

INTEGERS = (0, 1, -1, 200, 2**31 - 1, -(2**31), 2**32 - 1, 2**62, 2**63 - 1, -(2**63), 2**64 - 1)
FLOATS = (0.0, -1.0, 1.0, 1e308, -1e308, 1e200, 5e-324, float("nan"), float("inf"), float("-inf"))
TEXTS = ("", "x", "x" * 2000, "\0", "größe", "a/b", "projects/p", "custom.googleapis.com/x", '"', "(", "p")
_F = FieldDescriptor
_VALUES: dict[int, Callable[[random.Random], Any]] = {
    _F.CPPTYPE_BOOL: lambda chance: chance.random() < 0.5,
    _F.CPPTYPE_DOUBLE: lambda chance: chance.choice(FLOATS),
    _F.CPPTYPE_FLOAT: lambda chance: chance.choice(FLOATS),
    _F.CPPTYPE_STRING: lambda chance: chance.choice(TEXTS),
}


def scramble(message: Any, chance: random.Random) -> None:
    """Change one field, of the message or of one within it."""
    present = [field for field, _ in message.ListFields()]
    among = present if present and chance.random() < 0.75 else message.DESCRIPTOR.fields
    if not among:
        return
    field = chance.choice(among)
    try:
        _change(message, field, chance)
    except (ValueError, TypeError):
        return  # the field can not hold such a value: no client can send it


def _change(message: Any, field: Any, chance: random.Random) -> None:
    held = getattr(message, field.name)
    if chance.random() < 0.1:
        message.ClearField(field.name)
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        held[chance.choice(TEXTS)] = chance.choice(TEXTS)
    elif field.message_type is not None and field.is_repeated:
        scramble(chance.choice(held) if held else held.add(), chance)
    elif field.message_type is not None:
        held.SetInParent()
        scramble(held, chance)
    elif field.is_repeated and held and chance.random() < 0.6:
        held[chance.randrange(len(held))] = _value(field, chance)
    elif field.is_repeated:
        held.append(_value(field, chance))
    else:
        setattr(message, field.name, _value(field, chance))


def _value(field: Any, chance: random.Random) -> Any:
    return _VALUES.get(field.cpp_type, lambda chance: chance.choice(INTEGERS))(chance)
