"""What the rules look at: how secrets were read, as it was measured, and which versions are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidInputError
from .inventory import KeptSecret

OVER_READ = 2.0  # times as many calls as a secret's checks need
ENOUGH_CALLS = 10  # before that is said of a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretAccess:
    """One secret version of one process."""

    resource: str
    reads: int  # by the host, cache hits included
    calls: int  # to Secret Manager
    version_changes: int
    version: str | None = None  # the number that was read last

    @property
    def parent(self) -> str:
        """Resource name of the secret."""
        return self.resource.partition("/versions/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFacts:
    """Everything read by one process since it began, or by several in the same span of time."""

    observed_s: float
    cache_ttl_s: float
    check_interval_s: float | None = None  # a value is checked at most so often; the lifetime by default
    hears_notices: bool = False
    processes: int = 1
    secrets: tuple[SecretAccess, ...]
    kept: tuple[KeptSecret, ...] | None = None  # None: nobody listed them
    lists_project: bool = False  # whether ``kept`` is all that the project has

    @property
    def measured_in(self) -> str:
        """As the source of evidence."""
        where = f" of {self.processes} processes" if self.processes > 1 else ""
        return f"measured in {self.observed_s:.0f} s{where}"

    def usual_calls(self, secret: SecretAccess) -> int:
        """Its calls, without those that another rule calls too many: nothing is saved twice."""
        if not is_over_read(secret.calls - secret.version_changes, self.observed_s, self.interval_s):
            return secret.calls
        return round(needed_calls(self.observed_s, self.interval_s)) + secret.version_changes

    @property
    def interval_s(self) -> float:
        return self.cache_ttl_s if self.check_interval_s is None else self.check_interval_s


def is_over_read(calls: int, observed_s: float, interval_s: float) -> bool:
    """Whether a secret was asked for more often than its checks make necessary.

    Where each use may be a check (an interval of 0) this is never said; the rule on lifetimes looks at that.
    """
    if calls < ENOUGH_CALLS or interval_s <= 0:
        return False
    return calls > OVER_READ * needed_calls(observed_s, interval_s)


def needed_calls(observed_s: float, interval_s: float) -> float:
    """The first one, and one each time that the interval is over."""
    return 1 + observed_s / interval_s


def facts_of(
    reports: Sequence[Mapping[str, Any]],
    kept: Sequence[KeptSecret] | None = None,
    *,
    lists_project: bool = False,
) -> AccessFacts:
    """The facts in performance reports of processes that ran in the same span of time.

    Args:
        reports: ``get_performance_report()`` of each, perhaps from a file.

    Raises:
        InvalidInputError: something else.
    """
    try:
        settings = [report["settings"] for report in reports]
        return AccessFacts(
            observed_s=max((float(r["performance_summary"]["observed_s"]) for r in reports), default=0.0),
            cache_ttl_s=min((float(one["cache_ttl_s"]) for one in settings), default=0.0),
            check_interval_s=min((float(one["check_interval_s"]) for one in settings), default=0.0),
            hears_notices=bool(reports) and all(_hears(report) for report in reports),
            processes=len(reports),
            secrets=tuple(
                SecretAccess(
                    resource=str(resource),
                    reads=int(one["reads"]),
                    calls=int(one["api_calls"]),
                    version_changes=int(one["version_changes"]),
                    version=one["last_version"],
                )
                for report in reports
                for resource, one in report["secrets"].items()
            ),
            kept=None if kept is None else tuple(kept),
            lists_project=lists_project,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInputError(
            f"this is not what get_performance_report() returns ({type(error).__name__}: {error}); "
            "write it with json.dump(secrets.get_performance_report(), file)"
        ) from None


def _hears(report: Mapping[str, Any]) -> bool:
    notices = report["notices"]
    return notices is not None and notices["listening_s"] is not None
