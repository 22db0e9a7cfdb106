"""Base of the settings sections: frozen, and checked however they are made."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

import msgspec

from ..errors import ConfigurationError

_HIGHEST = 1e9  # infinity is no setting: a thread that waits so long can not be started

Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
Percent = Annotated[float, msgspec.Meta(gt=0, le=_HIGHEST)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=_HIGHEST)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=_HIGHEST)]
PositiveInt = Annotated[int, msgspec.Meta(ge=1)]
NotNegativeInt = Annotated[int, msgspec.Meta(ge=0)]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One section of the settings. ``NAME`` is its key in files and variables."""

    NAME: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(type(self)):
            value = getattr(self, field.name)
            try:
                converted = msgspec.convert(value, field.type)
            except msgspec.ValidationError as error:
                where = f"{self.NAME}.{field.name} is {value!r}"
                raise ConfigurationError(
                    f"{where}: {plain(error, field.type)}; the default is {field.default!r}"
                ) from None
            if isinstance(converted, Enum):  # given as its plain text
                msgspec.structs.force_setattr(self, field.name, converted)


def field_names(section: type[Section]) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(section))


def field_type(section: type[Section], name: str) -> Any:
    return next(field.type for field in msgspec.structs.fields(section) if field.name == name)


def unknown_key(path: str, known: Iterable[str], where: str) -> ConfigurationError:
    """The error for a key that does not exist, with the nearest that does."""
    import difflib  # only an error needs it, and every cold start would pay for it

    known = sorted(known)
    name = path.rpartition(".")[2]
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(known)}"
    return ConfigurationError(f"{where}: unknown setting {path!r}; {hint}")


def from_text(text: str, kind: Any, path: str, where: str) -> Any:
    """Read the value of a setting from an environment variable."""
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where} is {text!r} (setting {path}): {plain(error, kind)}") from None


def plain(error: Exception, kind: Any) -> str:
    """What msgspec found wrong, and for a choice the values there are."""
    reason = str(error).partition(" - at ")[0]
    if get_origin(kind) is Literal:
        choices = get_args(kind)
    elif isinstance(kind, type) and issubclass(kind, Enum):
        choices = tuple(member.value for member in kind)
    else:
        return reason
    return f"{reason}; known are {', '.join(map(str, choices))}"
