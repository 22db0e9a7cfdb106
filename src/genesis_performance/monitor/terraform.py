"""Terraform text: resources of the provider ``google`` as ``terraform fmt`` would leave them.

Source of the form: https://developer.hashicorp.com/terraform/language/style (two spaces, one argument a line,
the ``=`` of neighbouring arguments below one another, blocks after arguments with a line between).
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

Body = Mapping[str, Any]

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")


class Blocks(list[Body]):
    """Nested blocks of one name, as against a list of values."""


class Expression(str):
    """Written as it is: a call such as ``jsonencode({})``."""

    __slots__ = ()


def resource(kind: str, name: str, body: Body, *, prefix: str) -> str:
    """``resource "kind" "name" {…}``; what the name may not have becomes ``_``.

    Args:
        prefix: before a name that does not begin with a letter.
    """
    plain = _NOT_IN_A_NAME.sub("_", name.lower()).strip("_")
    if not plain[:1].isalpha():
        plain = f"{prefix}_{plain}".rstrip("_")
    return "\n".join([f'resource "{kind}" "{plain}" {{', *_block(body, "  "), "}"]) + "\n"


def commented(said: str) -> str:
    """A comment before a resource, or nothing."""
    return "".join(f"# {line}\n" for line in textwrap.wrap(said, 100))


def text(value: str) -> str:
    """A quoted string. ``${`` and ``%{`` begin expressions in it, so they are doubled."""
    quoted = json.dumps(value, ensure_ascii=False)
    return quoted.replace("${", "$${").replace("%{", "%%{").replace("\x7f", "\\u007f")


def jsonencode(value: Any) -> Expression:
    """A call that makes this value as JSON text."""
    return Expression(f"jsonencode({_value(value, '  ')})")


def _block(body: Body, indent: str) -> list[str]:
    lines: list[str] = []
    run: list[tuple[str, str]] = []

    def flush() -> None:
        # Only neighbours of one line each are aligned: a longer value ends the run.
        width = max((len(key) for key, _ in run), default=0)
        lines.extend(f"{indent}{key.ljust(width)} = {value}" for key, value in run)
        run.clear()

    for key, value in body.items():
        if isinstance(value, Blocks):
            continue
        written = _value(value, indent)
        if "\n" in written:
            flush()
            lines.append(f"{indent}{key} = {written}")
        else:
            run.append((key, written))
    flush()
    for key, value in body.items():
        for one in value if isinstance(value, Blocks) else ():
            if lines:
                lines.append("")
            lines += [f"{indent}{key} {{", *_block(one, f"{indent}  "), f"{indent}}}"]
    return lines


def _value(value: Any, indent: str) -> str:
    if isinstance(value, Expression):
        return str(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return _object(value, indent)
    if isinstance(value, list | tuple):
        return _list(value, indent)
    return json.dumps(value)


def _object(value: Body, indent: str) -> str:
    if not value:
        return "{}"
    named = {key if key.isidentifier() else text(key): one for key, one in value.items()}
    return "\n".join(["{", *_block(named, f"{indent}  "), f"{indent}}}"])


def _list(value: Sequence[Any], indent: str) -> str:
    items = [_value(one, f"{indent}  ") for one in value]
    if all("\n" not in item for item in items):
        return f"[{', '.join(items)}]"
    inner = "".join(f"{indent}  {item},\n" for item in items)
    return f"[\n{inner}{indent}]"
