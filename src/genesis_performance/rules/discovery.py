"""Find the rules: every module of a ``rules`` package, no list to keep."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ..errors import InvalidInputError, UnknownNameError
from .rule import Rule


def discover(package: str) -> tuple[Rule[Any], ...]:
    """The rules of a package, by id. Modules whose names start with ``_`` are no rules.

    Args:
        package: dotted name, for example ``"genesis_performance.optimizer.rules"``.

    Raises:
        InvalidInputError: a module has no ``RULE``, or two rules share an id.
    """
    found: dict[str, Rule[Any]] = {}
    for info in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package}.{info.name}")
        rule = getattr(module, "RULE", None)
        if not isinstance(rule, Rule):
            raise InvalidInputError(f"{module.__name__} must define RULE, a Rule")
        if rule.id in found:
            raise InvalidInputError(f"two rules are called {rule.id!r}; the second is in {module.__name__}")
        found[rule.id] = rule
    return tuple(found[key] for key in sorted(found))


def select(rules: Sequence[Rule[Any]], patterns: Iterable[str]) -> tuple[Rule[Any], ...]:
    """The rules whose id matches one of the patterns, ``"optimizer/*"``.

    Raises:
        UnknownNameError: a pattern matches no rule: a typo must not look like a clean result.
    """
    chosen: set[str] = set()
    for pattern in patterns:
        matching = {rule.id for rule in rules if fnmatchcase(rule.id, pattern)}
        if not matching:
            known = ", ".join(rule.id for rule in rules) or "none"
            raise UnknownNameError(f"no rule matches {pattern!r}; known are {known}")
        chosen |= matching
    return tuple(rule for rule in rules if rule.id in chosen)
