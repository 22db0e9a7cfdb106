"""Analyse the bill of a month from its export, and watch what a service costs with a budget."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..config import project_argument, settings
from ..errors import ConfigurationError, StoreError
from ..gcp import credentials_available, resolve_project
from ..model.cost import CostAlert, CostAnalysis
from ..model.money import Money
from ..storage import Kind, Store, open_store, to_body
from .analysis import analyse, checked_month
from .budgets import BudgetPlan, budget_name, budget_plan, ensure_budget
from .conversion import USD, in_usd
from .export import BillingExport, Row
from .source import billing_source

log = logging.getLogger(__name__)

DEFAULT_THRESHOLDS = (50, 80, 100)  # percent

INVOICE_TIME_ZONE = "America/Los_Angeles"  # Google's invoice months begin at midnight there


class CostOptimizationMonitor:
    """The bill of an account.

    Args:
        project_id, gcp_project_id: the project that budgets are made for; two names for the same thing.
        billing_export: a file or a pattern of files; the setting ``cost_optimization.billing_export``
            by default. All projects of the export are analysed.
        store: where recommendations are kept; the store of the settings by default.
        now: the time.
    """

    def __init__(
        self,
        project_id: str | None = None,
        *,
        gcp_project_id: str | None = None,
        billing_export: str | None = None,
        store: Store | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.project_id = project_argument(gcp_project_id, project_id)
        self._billing_export = billing_export
        self._given_store = store
        self._now = now

    async def analyze_monthly_costs(self, month: str | None = None) -> CostAnalysis:
        """``analyze_monthly_costs_sync`` without blocking the event loop."""
        return await asyncio.to_thread(self.analyze_monthly_costs_sync, month)

    def analyze_monthly_costs_sync(self, month: str | None = None) -> CostAnalysis:
        """The bill of one month.

        Args:
            month: invoice month, ``202610`` or ``2026-10``; the newest of the export by default.

        Raises:
            ConfigurationError: the analysis is switched off, or no export is named or found.
            NoDataError: the export has no rows, or none of that month.
            InvalidInputError: the month is none, or the export can not be read.
        """
        section = settings().cost_optimization
        if not section.enable_analysis:
            raise ConfigurationError(
                "the cost analysis is switched off: set cost_optimization.enable_analysis "
                "(COST_MONITORING_ENABLED) to true"
            )
        month = checked_month(month)
        source = billing_source(self._billing_export or section.billing_export)
        with BillingExport(source) as export:
            analysis = analyse(export, month, savings_threshold=Decimal(str(section.savings_threshold)))
        self._keep(analysis)
        return analysis

    def create_budget_alert(
        self,
        service_name: str,
        monthly_budget: float,
        threshold_percentages: Sequence[float] = DEFAULT_THRESHOLDS,
    ) -> list[CostAlert]:
        """A budget for one service, with an alert at each threshold.

        With a project and credentials the budget is created in Cloud Billing, or updated if it is
        there already, and Google sends the e-mails. Without, the alerts are only compared with the
        billing export here.

        Args:
            service_name: as the bill calls it, ``"Cloud Run"``.
            monthly_budget: in the currency of the billing account.
            threshold_percentages: of the budget, each above 0.

        Returns:
            One alert a threshold, lowest first.

        Raises:
            InvalidInputError: the amount or a threshold makes no sense.
            ConfigurationError: budgets are switched off.
            UnknownNameError: Cloud Billing has no such service.
            CloudError: Google Cloud refused.
        """
        plan = budget_plan(service_name, monthly_budget, threshold_percentages)
        if not settings().cost_optimization.monthly_budget_alerts:
            raise ConfigurationError(
                "budgets are switched off: set cost_optimization.monthly_budget_alerts "
                "(MONTHLY_BUDGET_ALERTS) to true"
            )
        spent = self._spent(plan.service_name)
        project = resolve_project(self.project_id)
        resource, budget = None, Money(plan.monthly_budget, USD)
        if project is None:
            log.info("no project: the budget of %s is only compared with the billing export", service_name)
        elif not credentials_available():
            log.info(
                "no credentials: the budget of %s is only compared with the billing export", service_name
            )
        else:
            resource, budget = ensure_budget(project, plan)
        spend = _in_currency(spent, budget.currency) if spent is not None else None
        name = budget_name(project, plan.service_name)
        return [
            _alert(name, plan, percent, budget, spend=spend, resource=resource)
            for percent in plan.percentages
        ]

    def close(self) -> None:
        """Nothing is held between calls; here for symmetry with the other parts."""

    async def aclose(self) -> None:
        """See ``close``."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spent(self, service_name: str) -> list[Row] | None:
        """What the service cost this month, by currency and rate; None where the export does not say."""
        named = self._billing_export or settings().cost_optimization.billing_export
        if not named:
            return None
        month = _invoice_month(self._now())
        with BillingExport(billing_source(named)) as export:
            if month not in export.months():
                log.info("%s has no rows of %s: what %s has cost is not known", export, month, service_name)
                return None
            export.keep([month])
            return list(export.query("service_spend", month=month, service=service_name))

    def _keep(self, analysis: CostAnalysis) -> None:
        """Store the recommendations for the plan; those that are there keep their state."""
        if not analysis.recommendations:
            return
        store = self._given_store or open_store()
        try:
            for recommendation in analysis.recommendations:
                body = to_body(recommendation)
                known = store.get(Kind.RECOMMENDATION, recommendation.id)
                if known is not None:
                    body["state"] = known.get("state", body["state"])
                store.put(Kind.RECOMMENDATION, recommendation.id, body)
        except StoreError as error:
            log.warning("the recommendations of %s are not kept: %s", analysis.invoice_month, error)
        finally:
            if self._given_store is None:
                store.close()


def _invoice_month(now: datetime) -> str:
    try:
        zone: tzinfo = ZoneInfo(INVOICE_TIME_ZONE)
    except ZoneInfoNotFoundError:  # a system without time zones; an hour off in summer
        zone = timezone(timedelta(hours=-8))
    return now.astimezone(zone).strftime("%Y%m")


def _in_currency(rows: Sequence[Row], currency: str) -> Money | None:
    """The sum in this currency, where every row is of it or can be converted; else None."""
    if all(row["currency"] == currency for row in rows):
        return Money(sum((row["gross"] + row["credits"] for row in rows), Decimal(0)), currency)
    added = in_usd(rows)
    return added.money("net") if currency == USD and not added.unconverted else None


def _alert(
    name: str, plan: BudgetPlan, percent: Decimal, budget: Money, *, spend: Money | None, resource: str | None
) -> CostAlert:
    threshold = budget * (percent / 100)
    return CostAlert(
        name=f"{name} {percent:f} %",
        service_name=plan.service_name,
        monthly_budget=budget,
        threshold_percent=float(percent),
        threshold_amount=threshold,
        budget_resource=resource,
        current_spend=spend,
        is_exceeded=None if spend is None else threshold <= spend,
    )
