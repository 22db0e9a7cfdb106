"""Runs the checks against a site and reports, with nothing personal in the report."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from google.api_core import exceptions

from .check import NOT_ALLOWED, NOT_REACHABLE, Check, DiffersError, OverBudgetError, Site, all_checks

HOLDS, DIFFERS, SKIPPED = "holds", "differs", "skipped"
PACKAGES = ("google-cloud-secret-manager", "google-cloud-monitoring", "google-cloud-monitoring-dashboards",
            "google-cloud-billing", "google-cloud-pubsub", "grpcio")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one check."""

    check: str
    title: str
    rules: tuple[str, ...]
    result: str
    reason: str
    calls: tuple[dict[str, str], ...]
    left_behind: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of all of them."""

    target: str  # "emulator" or "google cloud"
    at: str
    packages: dict[str, str]
    worst_case_usd: float
    outcomes: tuple[Outcome, ...]

    @property
    def differing(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.result == DIFFERS]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def discover() -> list[Check]:
    """Every check of every module in this folder."""
    package = importlib.import_module(__package__ or "")
    modules = [
        importlib.import_module(f"{__package__}.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
        if module.name not in {"check", "running"}
    ]
    return [found for module in modules for found in all_checks(vars(module).values())]


def run(site: Site, target: str, checks: Sequence[Check] | None = None) -> Report:
    """Run ``checks``, by default all, each cleaning up after itself."""
    outcomes = tuple(_run_one(each, site) for each in (discover() if checks is None else checks))
    packages = {name: metadata.version(name) for name in PACKAGES}
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Report(target, at, packages, round(site.spent_usd, 4), outcomes)


def _run_one(each: Check, site: Site) -> Outcome:
    before, result, reason = len(site.calls), HOLDS, ""
    with site.cleaning_up() as left:
        try:
            each.run(site)
        except DiffersError as error:
            result, reason = DIFFERS, str(error)
        except OverBudgetError as error:
            result, reason = SKIPPED, str(error)
        except NOT_ALLOWED as error:
            result, reason = SKIPPED, site.redacted(f"not allowed: {error.message}")
        except NOT_REACHABLE as error:
            result, reason = SKIPPED, site.redacted(f"not reachable: {error.message}")
        except exceptions.GoogleAPICallError as error:
            result, reason = DIFFERS, site.redacted(f"unexpected {type(error).__name__}: {error.message}")
    calls = tuple(site.calls[before:])
    return Outcome(each.id, each.title, each.rules, result, reason, calls, tuple(left))
