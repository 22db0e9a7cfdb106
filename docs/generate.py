"""Write the reference pages from the code they describe: settings, command line, rules of the emulator.

``python -m docs.generate`` writes them; with ``--check`` it only says which are stale, with exit code 1.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
import msgspec

from genesis_performance.cli.main import command
from genesis_performance.config import loading
from genesis_performance.config.section import Section
from genesis_performance.emulator.rules import RULES

FOLDER = Path(__file__).parent
HEADER = "<!-- Written by ./run docs; change the code it describes instead. -->\n\n"

_PLAIN = {str: "text", bool: "true or false", int: "integer", float: "number"}
_LIMITS = (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))


def configuration() -> str:
    """Every section as a table of its settings."""
    lines = [
        "# Configuration",
        "",
        "Later sources win: the defaults below; a file; variables; arguments in code. The file is the one",
        f"that `{loading.CONFIG_VARIABLE}` names, else `performance_config.yaml` in the working directory,",
        "else the table `[tool.genesis-performance]` of `pyproject.toml` there. Unknown keys and wrong types",
        f"are errors. Any setting has a variable `{loading.PREFIX}SECTION__KEY`; some have a shorter one.",
        "",
        "`genesis-perf config show` prints what is in force and where each value came from.",
        "",
        "```yaml",
        "# performance_config.yaml",
        "monitoring:",
        '  metric_prefix: "shop.performance"',
        "  write_interval_s: 30",
        "secret_manager:",
        "  cache_ttl_s: 120",
        "```",
    ]
    variables: dict[str, list[str]] = {}
    for variable, path in loading.VARIABLES.items():
        variables.setdefault(path, []).append(variable)
    for section in loading.SECTIONS:
        lines += ["", *_section(section, variables)]
    return "\n".join(lines) + "\n"


def _section(section: type[Section], variables: dict[str, list[str]]) -> Iterator[str]:
    described = descriptions(section)
    yield f"## {section.NAME}"
    yield ""
    yield (inspect.getdoc(section) or "").partition("\n")[0]
    yield ""
    yield "| setting | default | type | meaning | variable |"
    yield "|---|---|---|---|---|"
    for field in msgspec.structs.fields(section):
        path = f"{section.NAME}.{field.name}"
        names = [*variables.get(path, []), f"{loading.PREFIX}{path.upper().replace('.', '__')}"]
        yield _row(
            f"`{field.name}`",
            f"`{_value(field.default)}`",
            type_words(field.type),
            described[field.name],
            "<br>".join(f"`{name}`" for name in names),
        )


def descriptions(section: type[Section]) -> dict[str, str]:
    """Setting to its text in the section's docstring.

    Raises:
        KeyError: a setting is not described there.
    """
    block = (inspect.getdoc(section) or "").partition("Args:\n")[2]
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=    \S)", block):
        names, _, text = entry.strip().partition(": ")
        for name in names.split(", "):
            found[name] = " ".join(text.split()).replace("``", "`")
    missing = [field.name for field in msgspec.structs.fields(section) if not found.get(field.name)]
    if missing:
        raise KeyError(f"{section.__name__} does not describe {', '.join(missing)} in its docstring")
    return found


def type_words(kind: Any) -> str:
    """A type in words that a reader of a YAML file knows."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _limited(arguments[0], arguments[1:])
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    if origin in (Union, UnionType):
        words = [type_words(each) for each in arguments if each is not NoneType]
        return " or ".join([*words, *(["empty"] if NoneType in arguments else [])])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(f"`{each.value}`" for each in kind)
    return _PLAIN.get(kind, str(kind))


def _limited(kind: Any, metas: tuple[Any, ...]) -> str:
    words = type_words(kind)
    for meta in metas:
        words += "".join(
            f" {sign} {getattr(meta, name):g}" for name, sign in _LIMITS if getattr(meta, name) is not None
        )
        if meta.pattern:
            words += f" like `{meta.pattern}`"
    return words


def _value(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value.value if isinstance(value, Enum) else value)


def command_line() -> str:
    """Every command with its arguments and options."""
    lines = ["# Command line", "", "Errors are one line on stderr. Each command knows `--help`."]
    with click.Context(command, info_name="genesis-perf") as context:
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            lines += _command(child, f"genesis-perf {name}")
    return "\n".join(lines) + "\n"


def _command(one: click.Command, path: str) -> Iterator[str]:
    yield ""
    yield f"## {path}"
    yield ""
    yield " ".join((one.help or one.short_help or "").partition("\f")[0].split())
    shown = [each for each in one.params if not getattr(each, "hidden", False)]
    if shown:
        yield ""
        yield "| argument or option | meaning | default |"
        yield "|---|---|---|"
        for parameter in shown:
            yield _row(*_parameter(parameter))
    if isinstance(one, click.Group):
        for name, child in sorted(one.commands.items()):
            yield from _command(child, f"{path} {name}")


def _parameter(parameter: click.Parameter) -> tuple[str, str, str]:
    if isinstance(parameter, click.Argument):
        name = parameter.human_readable_name
        name = f"{name}..." if parameter.nargs == -1 else name
        return f"`{name}`", "required" if parameter.required else "may be left out", ""
    assert isinstance(parameter, click.Option)
    takes = "" if parameter.is_flag else f" {parameter.make_metavar(click.Context(click.Command('x')))}"
    names = ", ".join((*parameter.opts, *parameter.secondary_opts))
    default = parameter.default
    # What was not set is a sentinel in some versions of click, None in others.
    plain = isinstance(default, str | int | float | Enum) and not isinstance(default, bool)
    told = str(default.value if isinstance(default, Enum) else default) if plain else ""
    if told in ("Sentinel.UNSET", "UNSET") or "UNSET" in repr(default):
        told = ""
    return f"`{names}{takes}`", " ".join((parameter.help or "").split()), f"`{told}`" if told else ""


def emulator_rules() -> str:
    """Every rule that the emulator enforces, with its source."""
    lines = [
        "# What the emulator enforces",
        "",
        "Each rule with where it is known from. *documented*: the client's or the service's documentation",
        "says so. *issue text*: a public thread quotes the real service. *unverified*: our best reading, to",
        "be looked at first when the real service behaves differently.",
    ]
    for title, rules in rule_tables():
        lines += ["", f"## {title}", "", "| rule | what holds | source | kind |", "|---|---|---|---|"]
        lines += [_row(f"`{rule.id}`", rule.text, rule.source, rule.kind) for rule in rules]
    return "\n".join(lines) + "\n"


def rule_tables() -> Iterator[tuple[str, list[Any]]]:
    """The rules in groups, by the word before the slash of their ids."""
    groups: dict[str, list[Any]] = {}
    for rule in RULES:
        groups.setdefault(rule.id.partition("/")[0], []).append(rule)
    yield from ((name.capitalize(), rules) for name, rules in groups.items())


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


PAGES: dict[str, Callable[[], str]] = {
    "configuration.md": configuration,
    "cli.md": command_line,
    "emulator-rules.md": emulator_rules,
}


def stale() -> list[str]:
    """Pages that differ from what would be written."""
    return [name for name, text in _written().items() if _read(FOLDER / name) != text]


def _written() -> dict[str, str]:
    written = {}
    for name, make in PAGES.items():
        first, _, rest = make().partition("\n\n")
        written[name] = f"{first}\n\n{HEADER}{rest}"
    return written


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run docs", description="Write the generated reference pages.")
    parser.add_argument("--check", action="store_true", help="only say which pages are stale")
    if parser.parse_args().check:
        for name in stale():
            sys.stderr.write(f"docs/{name} is stale; write it with: ./run docs\n")
        return 1 if stale() else 0
    for name, text in _written().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"docs/{name}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
