"""The filter language of List methods (https://google.aip.dev/160): comparisons, AND, OR, NOT, parentheses.

``labels.env=prod AND NOT name:old``. As there, OR binds closer than AND, and terms side by side are an AND.
``:`` means "contains" for text and "has" for maps and messages; a word alone is looked for in the name.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from google.protobuf import timestamp_pb2

from .field_masks import field_of
from .rpc_error import RpcError

Matcher = Callable[[Any], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<sign><=|>=|!=|[:=<>()])|(?P<word>[^\s:=<>!()"']+))"""
)
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MAX_DEPTH = 20
_MAX_TERMS = 200


def matcher(text: str, message_type: Any) -> Matcher:
    """A test of messages of ``message_type``.

    Raises:
        RpcError: INVALID_ARGUMENT, ``text`` is no filter or names an unknown field.
    """
    if not text.strip():
        return lambda _message: True
    return _Parser(text, message_type).whole()


class _Parser:
    def __init__(self, text: str, message_type: Any) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0
        self._type = message_type

    def whole(self) -> Matcher:
        found = self._all()
        if self._at < len(self._tokens):
            raise _wrong(f"unexpected '{self._tokens[self._at][1]}'")
        return found

    def _next(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._next()
        self._at += 1
        return token

    def _all(self) -> Matcher:
        terms = [self._any()]
        while self._next()[0] != "end" and self._next() != ("sign", ")"):
            if self._next() == ("word", "AND"):
                self._take()
            terms.append(self._any())
        return lambda message: all(term(message) for term in terms)

    def _any(self) -> Matcher:
        terms = [self._term()]
        while self._next() == ("word", "OR"):
            self._take()
            terms.append(self._term())
        return lambda message: any(term(message) for term in terms)

    def _term(self) -> Matcher:
        kind, text = self._take()
        if (kind, text) == ("word", "NOT") or (kind == "word" and text == "-"):
            return _negated(self._term())
        if kind == "word" and text.startswith("-"):
            return _negated(self._restriction(text[1:], quoted=False))
        if (kind, text) == ("sign", "("):
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise _wrong("too many parentheses")
            inner = self._all()
            if self._take() != ("sign", ")"):
                raise _wrong("a parenthesis is not closed")
            self._depth -= 1
            return inner
        if kind in {"word", "text"} and text not in {"AND", "OR"}:
            return self._restriction(text, quoted=kind == "text")
        raise _wrong(f"unexpected '{text}'" if text else "it ends too early")

    def _restriction(self, left: str, *, quoted: bool) -> Matcher:
        kind, sign = self._next()
        if kind != "sign" or sign in "()":
            wanted = left.lower()
            return lambda message: wanted in message.name.lower()
        self._take()
        kind, right = self._take()
        if kind not in {"word", "text"} or quoted:
            raise _wrong(f"after '{sign}' comes a value, before it a field")
        return _comparison(self._type, left, sign, right)


def _comparison(message_type: Any, path: str, sign: str, right: str) -> Matcher:
    parts = path.split(".")
    if field_of(message_type, parts[0]) is None:
        raise _wrong(f"there is no field '{path[:100]}'")

    def matches(message: Any) -> bool:
        value = value_at(message, parts)
        if sign == ":":
            return _has(value, right)
        if value is None:
            return sign == "!="
        left, other = _comparable(value, right)
        try:
            return _SIGNS[sign](left, other)
        except TypeError:
            return False

    return matches


def value_at(holder: Any, parts: list[str]) -> Any:
    """What a path leads to; ``None`` where nothing is set. Enums are their names."""
    for index, part in enumerate(parts):
        if not hasattr(holder, "DESCRIPTOR"):  # a map: the rest is one key, which may hold dots
            key = ".".join(parts[index:])
            return holder[key] if hasattr(holder, "keys") and key in holder else None
        field = field_of(holder, part)
        if field is None or (field.has_presence and not holder.HasField(field.name)):
            return None
        holder = getattr(holder, field.name)
        if field.enum_type is not None and isinstance(holder, int):
            holder = field.enum_type.values_by_number[holder].name
    return holder


def _has(value: Any, right: str) -> bool:
    if value is None:
        return False
    if right == "*":
        return bool(value) or hasattr(value, "DESCRIPTOR")
    if hasattr(value, "keys"):
        return right in value
    if isinstance(value, str):
        return right.lower() in value.lower()
    if hasattr(value, "__iter__"):
        return any(right.lower() in str(item).lower() for item in value)
    left, other = _comparable(value, right)
    return bool(left == other)


def _comparable(value: Any, right: str) -> tuple[Any, Any]:
    if isinstance(value, timestamp_pb2.Timestamp):
        return value.ToDatetime(UTC), _time(right)
    if isinstance(value, bool):
        return value, right.lower() == "true"
    if isinstance(value, int | float):
        try:
            return value, float(right)
        except ValueError:
            raise _wrong(f"'{right[:100]}' is not a number") from None
    return str(value), right


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong(f"'{text[:100]}' is not a time") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _negated(term: Matcher) -> Matcher:
    return lambda message: not term(message)


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or len(found) > _MAX_TERMS:
            raise _wrong(f"it can not be read from '{text[at : at + 40]}'")
        kind = match.lastgroup or ""
        content = match[kind]
        found.append((kind, re.sub(r"\\(.)", r"\1", content[1:-1]) if kind == "text" else content))
        at = match.end()
    # A value with a colon, as in a time, is one word to the reader of the filter.
    return _joined_times(found)


def _joined_times(tokens: list[tuple[str, str]]) -> list[tuple[str, str]]:
    joined: list[tuple[str, str]] = []
    for token in tokens:
        value_before = len(joined) >= 2 and joined[-1][0] == "word" and joined[-2][0] == "sign"
        if value_before and token == ("sign", ":") and joined[-1][1][:1].isdigit():
            joined[-1] = ("word", joined[-1][1] + ":")
        elif joined and joined[-1][1].endswith(":") and joined[-1][0] == "word" and token[0] == "word":
            joined[-1] = ("word", joined[-1][1] + token[1])
        else:
            joined.append(token)
    return joined


def _wrong(reason: str) -> RpcError:
    return RpcError("INVALID_ARGUMENT", f"Invalid filter: {reason}.")
