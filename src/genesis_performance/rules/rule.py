"""One rule: what it looks at, and what it says about it.

A rule is a module in a part's ``rules`` package with a function ``check`` and a constant ``RULE``. The first
line of its docstring is the good state, the rest says why. ``check`` only compares facts that somebody else
fetched; it reads nothing itself.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..errors import InvalidInputError
from ..model.advice import Finding, OptimizationRecommendation, Severity

Advice = Finding | OptimizationRecommendation
"""What a rule says: something it saw, or what to do about it."""

F = TypeVar("F")

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*(/[a-z][a-z0-9]*(-[a-z0-9]+)*)+")


@dataclass(frozen=True, kw_only=True)  # no slots: Rule[Facts](...) fails with them before Python 3.12
class Rule(Generic[F]):
    """A rule over facts of type ``F``.

    Args:
        id: part and name, ``"optimizer/identical-reads"``.
        needs: attributes of the facts that must be there; a rule without them is skipped, never guessed.
        source: where the limit or the advice is written down.
        check: facts in, advice out; no I/O.
    """

    id: str
    title: str
    severity: Severity
    check: Callable[[F], Iterable[Advice]]
    needs: frozenset[str] = frozenset()
    source: str = ""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise InvalidInputError(f"rule id {self.id!r} must look like 'optimizer/identical-reads'")

    @property
    def good_state(self) -> str:
        """First line of the rule's module: what the rule likes to see."""
        module = inspect.getmodule(self.check)
        return (inspect.getdoc(module) or "").partition("\n")[0]
