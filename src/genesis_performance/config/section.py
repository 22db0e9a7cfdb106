"""Base of the settings sections: frozen, and checked however they are made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

import msgspec

from ..errors import ConfigurationError

Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
Percent = Annotated[float, msgspec.Meta(gt=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
PositiveInt = Annotated[int, msgspec.Meta(ge=1)]
NotNegativeInt = Annotated[int, msgspec.Meta(ge=0)]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One section of the settings. ``NAME`` is its key in files and variables."""

    NAME: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(type(self)):
            value = getattr(self, field.name)
            try:
                msgspec.convert(value, field.type)
            except msgspec.ValidationError as error:
                where = f"{self.NAME}.{field.name} is {value!r}"
                raise ConfigurationError(
                    f"{where}: {_plain(error)}; the default is {field.default!r}"
                ) from None


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
        raise ConfigurationError(f"{where} is {text!r} (setting {path}): {_plain(error)}") from None


def _plain(error: Exception) -> str:
    return str(error).partition(" - at ")[0]
