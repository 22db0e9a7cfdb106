"""The filter language of the Monitoring API: text to a tree, and a tree to a test.

    metric.type = "custom.googleapis.com/a" AND (resource.labels.zone = starts_with("us-") OR NOT a = b)

NOT (or ``-``) binds tightest, then OR, then AND; comparisons side by side are joined by AND. Comparisons
are ``= != > >= < <=`` and ``:`` (holds the text; on a label map, has the key). Functions on the right:
starts_with, ends_with, has_substring, one_of, monitoring.regex.full_match. Which fields exist is for the
caller to say: list calls of different resources filter different fields.

Source: https://cloud.google.com/monitoring/api/v3/filters
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .names import invalid

S = TypeVar("S")
Getter = Callable[[S], object]  # of one field of a subject: text, number, bool, a mapping, or None
Path = tuple[str, ...]

MAX_CHARS = 2048
MAX_DEPTH = 40
FUNCTIONS = ("starts_with", "ends_with", "has_substring", "one_of", "monitoring.regex.full_match")

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<operator>!=|>=|<=|=|>|<|:)
    | (?P<punctuation>[(),.\[\]])
    | (?P<word>[\w/*-]+)
    )""",
    re.VERBOSE,
)


class FilterError(ValueError):
    """The text is not a filter, or names a field that does not exist."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """``path operator value``; with a function, ``values`` are its arguments."""

    path: Path
    operator: str
    function: str | None
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    operand: Node


@dataclass(frozen=True, slots=True)
class All:
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    operands: tuple[Node, ...]


Node = Comparison | Not | All | Either


@dataclass(frozen=True, slots=True)
class Filter(Generic[S]):
    """A parsed filter over subjects of one kind."""

    text: str
    node: Node
    matches: Callable[[S], bool]

    def pinned(self, path: Path) -> frozenset[str] | None:
        """The only values that ``path`` may have, or ``None`` where the filter leaves it open."""
        return _pinned(self.node, path)

    def mentions(self, path: Path) -> bool:
        """Whether the filter says anything of ``path``."""
        return _mentions(self.node, path)


def compile_filter(
    text: str, field: Callable[[Path], Getter[S]], *, name: str = "filter", max_chars: int = MAX_CHARS
) -> Filter[S]:
    """Parse ``text``; ``field`` gives the getter of a path, or raises FilterError.

    Raises:
        RpcError: INVALID_ARGUMENT with the reason.
    """
    try:
        if len(text) > max_chars:
            raise FilterError(f"The filter must not be longer than {max_chars} characters.")
        node = _Parser(text).parse()
        return Filter(text, node, _test(node, field))
    except FilterError as error:
        raise invalid(name, text, str(error)) from error


def as_path(text: str) -> Path:
    """A field reference outside a filter, as in order_by and group_by_fields.

    Raises:
        FilterError: it is not one.
    """
    parser = _Parser(text)
    path = parser.path()
    parser.expect_end()
    return path


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        self._depth = 0
        position = 0
        end = len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise FilterError(f"Could not parse it at position {position}.")
            kind = str(match.lastgroup)
            self._tokens.append((kind, match.group(kind)))
            position = match.end()

    def parse(self) -> Node:
        if not self._tokens:
            raise FilterError("The filter must not be empty.")
        node = self._all()
        self.expect_end()
        return node

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise FilterError(f"Unexpected '{self._tokens[self._at][1][:80]}'.")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _accept(self, kind: str, text: str) -> bool:
        if self._peek() == (kind, text):
            self._at += 1
            return True
        return False

    def _all(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FilterError("The filter is nested too deeply.")
        operands = [self._either()]
        while self._peek() != ("end", "") and self._peek() != ("punctuation", ")"):
            self._accept("word", "AND")
            operands.append(self._either())
        self._depth -= 1
        return operands[0] if len(operands) == 1 else All(tuple(operands))

    def _either(self) -> Node:
        operands = [self._negation()]
        while self._accept("word", "OR"):
            operands.append(self._negation())
        return operands[0] if len(operands) == 1 else Either(tuple(operands))

    def _negation(self) -> Node:
        negated = False
        while True:
            kind, text = self._peek()
            if (kind, text) in {("word", "NOT"), ("word", "-")}:
                self._at += 1
            elif kind == "word" and text.startswith("-"):
                self._tokens[self._at] = (kind, text[1:])
            else:
                break
            negated = not negated
        node = self._primary()
        return Not(node) if negated else node

    def _primary(self) -> Node:
        if self._accept("punctuation", "("):
            node = self._all()
            if not self._accept("punctuation", ")"):
                raise FilterError("A parenthesis is not closed.")
            return node
        path = self.path()
        kind, operator = self._next()
        if kind != "operator":
            raise FilterError(f"A comparison operator is missing after '{'.'.join(path)[:80]}'.")
        return self._right_side(path, operator)

    def path(self) -> Path:
        kind, text = self._next()
        if kind != "word" or text in {"AND", "OR", "NOT"}:
            raise FilterError(f"A field name was expected instead of '{text[:80]}'.")
        path = [text]
        while True:
            if self._accept("punctuation", "["):
                path.append(self._key())
                if not self._accept("punctuation", "]"):
                    raise FilterError("A bracket is not closed.")
            elif self._accept("punctuation", "."):
                path.append(self._key())
            else:
                return tuple(path)

    def _key(self) -> str:
        kind, text = self._next()
        if kind == "string":
            return _unquoted(text)
        if kind == "word":
            return text
        raise FilterError(f"A field name was expected instead of '{text[:80]}'.")

    def _right_side(self, path: Path, operator: str) -> Comparison:
        kind, text = self._next()
        if kind == "string":
            return Comparison(path, operator, None, (_unquoted(text),))
        if kind != "word":
            raise FilterError(f"A value is missing after '{operator}'.")
        # Dots join words: numbers (1.5), the function's dotted name, unquoted values with a domain.
        while self._peek() == ("punctuation", "."):
            self._at += 1
            follows, part = self._next()
            if follows != "word":
                raise FilterError(f"Unexpected '{part[:80]}' after '{text[:80]}.'.")
            text = f"{text}.{part}"
        if self._peek() == ("punctuation", "("):
            return self._function(path, operator, text)
        if text in {"AND", "OR", "NOT"}:
            raise FilterError(f"A value is missing after '{operator}'.")
        return Comparison(path, operator, None, (text,))

    def _function(self, path: Path, operator: str, function: str) -> Comparison:
        if function not in FUNCTIONS:
            raise FilterError(f"The function '{function[:80]}' is unknown.")
        if operator not in {"=", "!="}:
            raise FilterError(f"The function '{function}' needs the operator '=' or '!='.")
        self._at += 1
        arguments: list[str] = []
        while not self._accept("punctuation", ")"):
            if arguments and not self._accept("punctuation", ","):
                raise FilterError(f"The arguments of '{function}' are not closed.")
            kind, text = self._next()
            if kind == "string":
                text = _unquoted(text)
            elif kind != "word":
                raise FilterError(f"An argument of '{function}' is missing.")
            arguments.append(text)
        if not arguments or (len(arguments) > 1 and function != "one_of"):
            raise FilterError(f"The function '{function}' does not take {len(arguments)} arguments.")
        return Comparison(path, operator, function, tuple(arguments))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def _test(node: Node, field: Callable[[Path], Getter[S]]) -> Callable[[S], bool]:
    match node:
        case Comparison():
            return _comparison(node, field(node.path))
        case Not(operand):
            inner = _test(operand, field)
            return lambda subject: not inner(subject)
        case All(operands):
            tests = [_test(operand, field) for operand in operands]
            return lambda subject: all(test(subject) for test in tests)
        case Either(operands):
            tests = [_test(operand, field) for operand in operands]
            return lambda subject: any(test(subject) for test in tests)


def _comparison(node: Comparison, get: Getter[S]) -> Callable[[S], bool]:
    if node.function is not None:
        holds = _function_test(node.function, node.values)
        if node.operator == "!=":
            return lambda subject: not holds(_text(get(subject)))
        return lambda subject: holds(_text(get(subject)))
    wanted = node.values[0]
    match node.operator:
        case "=":
            return lambda subject: _equal(get(subject), wanted)
        case "!=":
            return lambda subject: not _equal(get(subject), wanted)
        case ":":
            return lambda subject: _has(get(subject), wanted)
    return lambda subject: _ordered(get(subject), wanted, node.operator)


def _function_test(function: str, arguments: tuple[str, ...]) -> Callable[[str | None], bool]:
    first = arguments[0]
    match function:
        case "starts_with":
            return lambda text: text is not None and text.startswith(first)
        case "ends_with":
            return lambda text: text is not None and text.endswith(first)
        case "has_substring":
            return lambda text: text is not None and first in text
        case "one_of":
            allowed = frozenset(arguments)
            return lambda text: text in allowed
    try:
        with warnings.catch_warnings():  # Python warns of patterns that later versions may read differently
            warnings.simplefilter("ignore")
            pattern = re.compile(first)
    except (re.error, RecursionError, OverflowError) as error:
        raise FilterError(f"The regular expression is not valid: {error}.") from error
    return lambda text: text is not None and pattern.fullmatch(text) is not None


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _equal(value: object, wanted: str) -> bool:
    if isinstance(value, dict | list | tuple | set | frozenset):
        return wanted in value
    if isinstance(value, bool):
        return _text(value) == wanted.lower()
    return _text(value) == wanted


def _has(value: object, wanted: str) -> bool:
    if isinstance(value, dict | list | tuple | set | frozenset):
        return wanted == "*" or wanted in value
    text = _text(value)
    return text is not None and (wanted == "*" or wanted in text)


def _ordered(value: object, wanted: str, operator: str) -> bool:
    text = _text(value)
    if text is None:
        return False
    left: Any = text
    right: Any = wanted
    with contextlib.suppress(ValueError):
        left, right = float(text), float(wanted)
    match operator:
        case ">":
            return bool(left > right)
        case ">=":
            return bool(left >= right)
        case "<":
            return bool(left < right)
    return bool(left <= right)


def _pinned(node: Node, path: Path) -> frozenset[str] | None:
    match node:
        case Comparison() if node.path == path and node.operator == "=" and node.function in {None, "one_of"}:
            return frozenset(node.values)
        case All(operands):
            found = [values for operand in operands if (values := _pinned(operand, path)) is not None]
            return frozenset.intersection(*found) if found else None
        case Either(operands):
            branches = [_pinned(operand, path) for operand in operands]
            known = [values for values in branches if values is not None]
            return frozenset().union(*known) if len(known) == len(branches) else None
    return None


def _mentions(node: Node, path: Path) -> bool:
    match node:
        case Comparison():
            return node.path == path
        case Not(operand):
            return _mentions(operand, path)
        case All(operands) | Either(operands):
            return any(_mentions(operand, path) for operand in operands)
