"""The shop's releases: each is the same application with another pricing module."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...secrets import OptimizedSecretManager
    from .database import Line

RELEASES = {"v1": "pricing_v1.py", "v2": "pricing_v2.py", "v3": "pricing_v3.py"}


class Pricing(Protocol):
    """What a release says about prices."""

    def total_cents(self, lines: Sequence[Line], secrets: OptimizedSecretManager) -> int: ...


def shown_path(file: str) -> str:
    """A file of the shop as it is called in the clone, or in an installed package."""
    path = Path(__file__).with_name(file)
    top = path.parents[3]
    return str(path.relative_to(top.parent if top.name == "src" else top))


def load_pricing(release: str) -> Pricing:
    """The pricing module of a release.

    It is compiled under its path in the clone: the recorder takes frames within our own package for its own
    and never for the place of a call, and the shop plays an application of somebody else.
    """
    file = RELEASES[release]
    module = ModuleType(f"shop_{release}")
    source = Path(__file__).with_name(file).read_text(encoding="utf-8")
    exec(compile(source, shown_path(file), "exec"), module.__dict__)
    return cast(Pricing, module)
