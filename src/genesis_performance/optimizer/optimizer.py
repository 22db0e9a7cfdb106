"""Analyse a service's performance, recommend what to change, and plan it within given hours."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from ..config import project_argument, settings
from ..errors import InvalidInputError
from ..model.advice import Finding, OptimizationRecommendation, RecommendationState
from ..model.operation import OperationSnapshot, RepeatedCall
from ..rules import RuleReport, Skipped, discover, run_rules, select
from ..storage import Store
from .facts import ServiceFacts
from .history import RecommendationHistory
from .metrics import ServiceMetrics, check_service_type, read_metrics
from .plan import OptimizationPlan, make_plan

log = logging.getLogger(__name__)

PACKAGE = f"{__package__}.rules"

PLANNED_STATES = frozenset({RecommendationState.ACTIVE, RecommendationState.CLAIMED})


class ServiceAnalysis(list[OptimizationRecommendation]):
    """The recommendations for one service, and what the analysis could and could not look at.

    Attributes:
        findings: what the rules saw, advice or not.
        unknown_metrics: names that mean nothing for this type of service, with the nearest that does.
        examined: ids of the rules that looked.
        skipped: rules that could not look, with the reason: not examined is not clean.
        notes: what a reader must know besides.
    """

    def __init__(
        self,
        recommendations: Iterable[OptimizationRecommendation],
        *,
        report: RuleReport,
        unknown_metrics: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(recommendations)
        self.findings: tuple[Finding, ...] = report.findings
        self.examined: tuple[str, ...] = report.examined
        self.skipped: tuple[Skipped, ...] = report.skipped
        self.unknown_metrics = unknown_metrics
        self.notes = notes


class PerformanceOptimizer:
    """Recommendations for services, from their metrics and from the operations recorded in this process.

    Args:
        project_id, gcp_project_id: the project, for the record; two names for the same thing.
        store: where recommendations are kept; the store of the settings by default.
        operations, repeated_calls: where recorded operations are read; by default from every
            recorder of this process.
        clock_ns: epoch clock.
    """

    def __init__(
        self,
        project_id: str | None = None,
        *,
        gcp_project_id: str | None = None,
        store: Store | None = None,
        operations: Callable[[], Sequence[OperationSnapshot]] | None = None,
        repeated_calls: Callable[[], Sequence[RepeatedCall]] | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.project_id = project_argument(gcp_project_id, project_id)
        self._history = RecommendationHistory(store)
        self._operations = operations or _recorded_operations
        self._repeated_calls = repeated_calls or _recorded_repeats
        self._clock_ns = clock_ns

    async def analyze_service_performance(
        self, service_name: str, service_type: str, metrics: ServiceMetrics, *, rules: Sequence[str] = ("*",)
    ) -> ServiceAnalysis:
        """``analyze_service_performance_sync`` without blocking the event loop."""
        return await asyncio.to_thread(
            self.analyze_service_performance_sync, service_name, service_type, metrics, rules=rules
        )

    def analyze_service_performance_sync(
        self, service_name: str, service_type: str, metrics: ServiceMetrics, *, rules: Sequence[str] = ("*",)
    ) -> ServiceAnalysis:
        """Run the rules over the metrics of one service, most valuable advice first.

        Args:
            service_name: as Cloud Run calls it; also the ``service`` label of series.
            service_type: ``"cloud_run"``.
            metrics: by name (see ``facts``), or the series that a monitor recorded.
            rules: patterns of rule ids, ``"optimizer/*"``.

        Raises:
            UnknownNameError: no such service type, or no rule matches a pattern.
            InvalidInputError: a metric has an impossible value.
        """
        if not isinstance(service_name, str) or not service_name.strip():
            raise InvalidInputError(f"service_name is {service_name!r}; it must name the service")
        check_service_type(service_type)
        chosen = select(discover(PACKAGE), rules)
        values, unknown = read_metrics(service_name, metrics)
        facts, unread = self._facts(service_name, service_type, values)
        report = run_rules(chosen, facts)
        current, notes = self._history.update(
            service_name,
            report.recommendations,
            examined=report.examined,
            operations={o.name for o in facts.operations or ()},
        )
        current.sort(key=_most_valuable)
        return ServiceAnalysis(current, report=report, unknown_metrics=unknown, notes=(*unread, *notes))

    def generate_optimization_plan(
        self,
        max_recommendations: int | None = None,
        max_total_effort_hours: float | None = None,
        prioritize_quick_wins: bool = True,
    ) -> OptimizationPlan:
        """The best set of active and claimed recommendations within the limits.

        Args:
            max_recommendations, max_total_effort_hours: the settings ``optimizer.*`` by default.
            prioritize_quick_wins: quick wins come first, and of equal plans the one with more of
                them is taken. They never displace a higher saving.

        Raises:
            InvalidInputError: a limit makes no sense.
        """
        section = settings().optimizer
        known = self._history.all()
        return make_plan(
            [r for r in known if r.state in PLANNED_STATES],
            max_recommendations=section.max_recommendations
            if max_recommendations is None
            else max_recommendations,
            max_total_effort_hours=section.max_total_effort_hours
            if max_total_effort_hours is None
            else max_total_effort_hours,
            prioritize_quick_wins=prioritize_quick_wins,
            done=[r.id for r in known if r.state is RecommendationState.SUCCEEDED],
        )

    def recommendations(self, state: RecommendationState | None = None) -> list[OptimizationRecommendation]:
        """The recommendations given so far, by id; of one state if it is given."""
        return [r for r in self._history.all() if state is None or r.state is state]

    def mark_recommendation(
        self, recommendation_id: str, state: RecommendationState | str, *, etag: str = ""
    ) -> OptimizationRecommendation:
        """Claim, dismiss or finish a recommendation.

        Raises:
            UnknownNameError: there is none with this id.
            InvalidInputError: no such state, or its present state does not lead there.
            StateError: ``etag`` is given and the recommendation has changed since.
        """
        try:
            wanted = RecommendationState(state)
        except ValueError:
            known = ", ".join(RecommendationState)
            raise InvalidInputError(f"no state {state!r}; known are {known}") from None
        return self._history.mark(recommendation_id, wanted, etag)

    def close(self) -> None:
        """Close the history store."""
        self._history.close()

    async def aclose(self) -> None:
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _facts(
        self, service_name: str, service_type: str, values: dict[str, object]
    ) -> tuple[ServiceFacts, tuple[str, ...]]:
        """The facts, and what could not be read of them."""
        values.setdefault("target_latency_ms", settings().profiler.response_time_threshold_ms)
        operations, repeats, notes = self._recorded()
        started = min((o.start_unix_ns for o in operations), default=None)
        facts = ServiceFacts(
            service_name=service_name,
            service_type=service_type,
            operations=operations or None,
            # Without operations nothing was recorded here, and "no repeated call" would be no fact.
            repeated_calls=repeats if operations else None,
            observed_s=(self._clock_ns() - started) / 1e9 if started is not None else None,
            **values,  # type: ignore[arg-type]
        )
        return facts, notes

    def _recorded(
        self,
    ) -> tuple[tuple[OperationSnapshot, ...], tuple[RepeatedCall, ...], tuple[str, ...]]:
        try:
            return tuple(self._operations()), tuple(self._repeated_calls()), ()
        except Exception as error:
            log.warning("the recorded operations can not be read", exc_info=True)
            note = f"the recorded operations can not be read: {type(error).__name__}: {error}"
            return (), (), (note,)


def _most_valuable(r: OptimizationRecommendation) -> tuple[int, float, str]:
    severities = ("critical", "warning", "info")
    return severities.index(r.severity), -float(r.saving.expected) if r.saving else 0.0, r.id


def _recorded_operations() -> list[OperationSnapshot]:
    from ..operations import recorders

    return [snapshot for recorder in recorders() for snapshot in recorder.snapshots()]


def _recorded_repeats() -> list[RepeatedCall]:
    from ..operations import recorders

    return [repeat for recorder in recorders() for repeat in recorder.repeated_calls()]
