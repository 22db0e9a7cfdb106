"""``RegressionDetector``: baselines in the store, and the verdict on new measurements against them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from ..config import project_argument, settings
from ..errors import ConfigurationError, InvalidInputError, NoDataError
from ..model.change import Baseline, RegressionResult
from ..model.operation import OperationSnapshot
from ..storage import Kind, LazyStore, Store, from_body, to_body
from .judge import judge
from .samples import checked_runs, snapshot_runs, thinned

Samples = Iterable[float] | Iterable[Iterable[float]]


class RegressionDetector:
    """Tells whether an operation became slower, and how sure that is.

    Samples are durations in milliseconds: a flat list is one run (one process), a list of lists has one list
    a run. Several runs on each side give a firmer verdict than one long run.

    Args:
        store: where baselines are kept; the history store of the settings by default, opened at first use.
        min_effect_ratio: a change smaller than this is no regression (0.05 is 5 %). What is not given comes
            from the settings ``regression.*``.
        confidence: probability from which the verdict is ``regressed``.
        min_samples: fewer values on either side are ``inconclusive``.
        clock: nanoseconds since the epoch.
        gcp_project_id, project_id: two names of the same, as every part accepts them; the detector itself
            calls nothing in Google Cloud.
    """

    def __init__(
        self,
        store: Store | None = None,
        min_effect_ratio: float | None = None,
        confidence: float | None = None,
        min_samples: int | None = None,
        clock: Callable[[], int] = time.time_ns,
        *,
        gcp_project_id: str | None = None,
        project_id: str | None = None,
    ) -> None:
        project_argument(gcp_project_id, project_id)
        if min_effect_ratio is not None and not 0 <= min_effect_ratio <= 1:
            raise ConfigurationError(f"min_effect_ratio is {min_effect_ratio!r}; it must be from 0 to 1")
        if confidence is not None and not 0.5 < confidence < 1:
            raise ConfigurationError(f"confidence is {confidence!r}; it must be above 0.5 and below 1")
        if min_samples is not None and min_samples < 1:
            raise ConfigurationError(f"min_samples is {min_samples!r}; it must be at least 1")
        self._store = LazyStore(store)
        self._min_effect_ratio = min_effect_ratio
        self._confidence = confidence
        self._min_samples = min_samples
        self._clock = clock

    def create_baseline(
        self, operation_name: str, duration_samples: Samples, environment: Mapping[str, str] | None = None
    ) -> Baseline:
        """Keep these durations as what later ones are compared with; an earlier baseline is replaced.

        Of a run longer than 10 000 values as many are kept, at evenly spaced ranks.
        """
        runs = checked_runs(duration_samples, "duration_samples")
        baseline = Baseline(
            operation_name=_name(operation_name),
            runs_ms=tuple(thinned(run) for run in runs),
            created_unix_ns=self._clock(),
            environment=dict(environment or {}),
        )
        self._store.opened().put(Kind.BASELINE, baseline.operation_name, to_body(baseline))
        return baseline

    def detect_regression(
        self, operation_name: str, current_samples: Samples, environment: Mapping[str, str] | None = None
    ) -> RegressionResult:
        """The verdict on these durations against the baseline of the operation.

        Raises:
            NoDataError: there is no baseline yet.
        """
        runs = checked_runs(current_samples, "current_samples")
        body = self._store.opened().get(Kind.BASELINE, _name(operation_name))
        if body is None:
            raise NoDataError(
                f"there is no baseline of {operation_name!r}; make one of durations in milliseconds that are "
                f"as they should be: create_baseline({operation_name!r}, duration_samples)"
            )
        baseline = from_body(Baseline, body)
        return self.compare(
            operation_name, baseline.runs_ms, runs, notes=_differing(baseline.environment, environment or {})
        )

    def compare(
        self,
        operation_name: str,
        baseline_samples: Samples,
        current_samples: Samples,
        notes: tuple[str, ...] = (),
    ) -> RegressionResult:
        """The verdict on two sets of durations; nothing is read or kept."""
        section = settings().regression
        return judge(
            operation_name,
            checked_runs(baseline_samples, "baseline_samples"),
            checked_runs(current_samples, "current_samples"),
            min_effect_ratio=_or(self._min_effect_ratio, section.min_effect_ratio),
            confidence=_or(self._confidence, section.confidence),
            min_samples=int(_or(self._min_samples, section.min_samples)),
            notes=notes,
        )

    def compare_snapshots(
        self,
        baseline: OperationSnapshot | Sequence[OperationSnapshot],
        current: OperationSnapshot | Sequence[OperationSnapshot],
    ) -> RegressionResult:
        """The verdict on a live operation, from its histograms before and after.

        Give differences of snapshots (``stats.histogram.difference``). Several on a side, one an interval,
        count as runs and let the verdict see how much the operation varies by itself.

        Raises:
            NoDataError: nothing was recorded on one side.
        """
        baselines = [baseline] if isinstance(baseline, OperationSnapshot) else list(baseline)
        currents = [current] if isinstance(current, OperationSnapshot) else list(current)
        names = sorted({each.name for each in (*baselines, *currents)})
        if len(names) > 1:
            raise InvalidInputError(f"{', '.join(names)} are different operations")
        section = settings().regression
        return judge(
            names[0] if names else "",
            snapshot_runs(baselines, "baseline"),
            snapshot_runs(currents, "current side"),
            min_effect_ratio=_or(self._min_effect_ratio, section.min_effect_ratio),
            confidence=_or(self._confidence, section.confidence),
            min_samples=int(_or(self._min_samples, section.min_samples)),
            counts=(sum(each.count for each in baselines), sum(each.count for each in currents)),
            live=True,
        )

    def baselines(self) -> dict[str, Baseline]:
        """Every baseline in the store, by operation name."""
        records = self._store.opened().list(Kind.BASELINE, newest_first=False)
        return {record.key: from_body(Baseline, record.body) for record in records}

    def delete_baseline(self, operation_name: str) -> bool:
        """Delete a baseline; False when there was none."""
        return self._store.opened().delete(Kind.BASELINE, _name(operation_name)) > 0

    def close(self) -> None:
        """Close the store, if it was opened here."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _or(given: float | None, default: float) -> float:
    return default if given is None else given


def _name(operation_name: str) -> str:
    if not isinstance(operation_name, str) or not operation_name:
        raise InvalidInputError(f"operation_name is {operation_name!r}; it must be a text")
    return operation_name


def _differing(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """What is known of both environments and differs."""
    return tuple(
        f"the baseline was taken with {key} {then[key]!r}, this is {now[key]!r}: "
        "a difference may come from there"
        for key in sorted(then.keys() & now.keys())
        if then[key] != now[key]
    )
