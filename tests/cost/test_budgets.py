"""Budgets: checked before anything is called, created once, and compared with what was spent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent import futures
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import grpc
import pytest
from google.cloud import billing_v1
from google.cloud.billing import budgets_v1

from genesis_performance import config
from genesis_performance.cost import CostOptimizationMonitor
from genesis_performance.cost.budgets import COUNTED_CREDITS, LONGEST_NAME, budget_name
from genesis_performance.errors import (
    CloudPermissionError,
    CloudUnimplementedError,
    ConfigurationError,
    InvalidInputError,
    StateError,
    UnknownNameError,
)
from genesis_performance.model.money import Money

from .conftest import Write, row

ACCOUNT = "billingAccounts/000000-000000-000000"
OCTOBER = datetime(2026, 10, 20, tzinfo=UTC)


class Billing:
    """Cloud Billing, its catalog and its budgets, held in dictionaries behind the official protocol."""

    def __init__(self, currency: str = "USD") -> None:
        self.currency = currency
        self.account = ACCOUNT
        self.budgets: dict[str, budgets_v1.Budget] = {}
        self.calls: list[str] = []
        self.refuses = False

    def get_project_billing_info(self, request: Any) -> Any:
        return billing_v1.ProjectBillingInfo(name=request.name, billing_account_name=self.account)

    def list_services(self, _request: Any) -> Any:
        names = {"Cloud Run": "152E-C115-5142", "Secret Manager": "EE82-7A5E-871C"}
        return billing_v1.ListServicesResponse(
            services=[billing_v1.Service(name=f"services/{i}", display_name=n) for n, i in names.items()]
        )

    def list_budgets(self, request: Any) -> Any:
        assert request.parent == ACCOUNT
        return budgets_v1.ListBudgetsResponse(budgets=list(self.budgets.values()))

    def create_budget(self, request: Any) -> Any:
        return self._put(f"{ACCOUNT}/budgets/{len(self.budgets)}", request.budget)

    def update_budget(self, request: Any) -> Any:
        assert request.budget.etag == self.budgets[request.budget.name].etag
        return self._put(request.budget.name, request.budget)

    def _put(self, name: str, budget: Any) -> Any:
        budget.name, budget.etag = name, f"etag-{len(self.calls)}"
        budget.amount.specified_amount.currency_code = self.currency
        self.budgets[name] = budget
        return budget


METHODS = {
    "google.cloud.billing.v1.CloudBilling/GetProjectBillingInfo": billing_v1.GetProjectBillingInfoRequest,
    "google.cloud.billing.v1.CloudCatalog/ListServices": billing_v1.ListServicesRequest,
    "google.cloud.billing.budgets.v1.BudgetService/ListBudgets": budgets_v1.ListBudgetsRequest,
    "google.cloud.billing.budgets.v1.BudgetService/CreateBudget": budgets_v1.CreateBudgetRequest,
    "google.cloud.billing.budgets.v1.BudgetService/UpdateBudget": budgets_v1.UpdateBudgetRequest,
}


class _Front(grpc.GenericRpcHandler):
    def __init__(self, billing: Billing) -> None:
        self._billing = billing

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        path = details.method.lstrip("/")
        name = "".join(f"_{c.lower()}" if c.isupper() else c for c in path.rpartition("/")[2]).lstrip("_")

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            self._billing.calls.append(name)
            if self._billing.refuses:
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "billing.budgets.create is missing")
            return getattr(self._billing, name)(request)

        return grpc.unary_unary_rpc_method_handler(
            answer, METHODS[path].deserialize, lambda message: type(message).serialize(message)
        )


@pytest.fixture
def billing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Billing]:
    held = Billing()
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[_Front(held)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("GENESIS_PERF_EMULATOR", f"127.0.0.1:{port}")
    config.reset()
    yield held
    server.stop(None).wait()


@pytest.fixture
def monitor() -> CostOptimizationMonitor:
    return CostOptimizationMonitor(project_id="shop-prod", now=lambda: OCTOBER)


def test_one_budget_is_created_and_each_threshold_is_an_alert(
    billing: Billing, monitor: CostOptimizationMonitor
) -> None:
    alerts = monitor.create_budget_alert(
        service_name="Cloud Run", monthly_budget=500.0, threshold_percentages=[100, 50, 80]
    )
    assert [alert.threshold_percent for alert in alerts] == [50, 80, 100]
    assert [alert.threshold_amount for alert in alerts] == [Money(Decimal(n)) for n in (250, 400, 500)]
    (budget,) = billing.budgets.values()
    assert {alert.budget_resource for alert in alerts} == {budget.name}
    assert [rule.threshold_percent for rule in budget.threshold_rules] == [0.5, 0.8, 1.0]
    assert (budget.amount.specified_amount.units, budget.amount.specified_amount.nanos) == (500, 0)


def test_the_budget_watches_one_service_of_one_project_without_promotions(
    billing: Billing, monitor: CostOptimizationMonitor
) -> None:
    monitor.create_budget_alert("cloud run", 500)
    (budget,) = billing.budgets.values()
    chosen = budget.budget_filter
    assert list(chosen.services) == ["services/152E-C115-5142"]
    assert list(chosen.projects) == ["projects/shop-prod"]
    assert chosen.credit_types_treatment.name == "INCLUDE_SPECIFIED_CREDITS"
    assert "PROMOTION" not in chosen.credit_types
    assert tuple(chosen.credit_types) == COUNTED_CREDITS


def test_the_same_call_again_changes_nothing(billing: Billing, monitor: CostOptimizationMonitor) -> None:
    first = monitor.create_budget_alert("Cloud Run", 33.1, [33.3, 100])
    assert monitor.create_budget_alert("Cloud Run", 33.1, [33.3, 100]) == first
    assert billing.calls.count("create_budget") == 1
    assert "update_budget" not in billing.calls


def test_another_amount_updates_the_budget_that_is_there(
    billing: Billing, monitor: CostOptimizationMonitor
) -> None:
    monitor.create_budget_alert("Cloud Run", 500)
    monitor.create_budget_alert("Cloud Run", 750.25)
    (budget,) = billing.budgets.values()
    assert (budget.amount.specified_amount.units, budget.amount.specified_amount.nanos) == (750, 250_000_000)


def test_the_amount_is_in_the_currency_of_the_account(
    billing: Billing, monitor: CostOptimizationMonitor
) -> None:
    billing.currency = "EUR"
    alerts = monitor.create_budget_alert("Cloud Run", 500)
    assert alerts[0].monthly_budget == Money(Decimal(500), "EUR")


def test_a_service_that_cloud_billing_does_not_know_is_an_error_with_the_nearest(
    billing: Billing, monitor: CostOptimizationMonitor
) -> None:
    with pytest.raises(UnknownNameError, match="'Cloud Ran'; near are Cloud Run"):
        monitor.create_budget_alert("Cloud Ran", 500)
    assert billing.budgets == {}


def test_a_project_without_a_billing_account_says_so(
    billing: Billing, monitor: CostOptimizationMonitor
) -> None:
    billing.account = ""
    with pytest.raises(StateError, match="shop-prod has no billing account"):
        monitor.create_budget_alert("Cloud Run", 500)


def test_a_refusal_of_google_is_an_error_of_ours(billing: Billing, monitor: CostOptimizationMonitor) -> None:
    billing.refuses = True
    with pytest.raises(CloudPermissionError, match=r"billing\.budgets\.create is missing"):
        monitor.create_budget_alert("Cloud Run", 500)


def test_without_a_project_alerts_are_local(caplog: pytest.LogCaptureFixture, billing: Billing) -> None:
    with caplog.at_level("INFO"):
        alerts = CostOptimizationMonitor().create_budget_alert("Cloud Run", 500)
    assert [alert.budget_resource for alert in alerts] == [None, None, None]
    assert "no project: the budget of Cloud Run is only compared with the billing export" in caplog.text
    assert billing.calls == []


def test_without_an_export_nobody_knows_what_was_spent(
    billing: Billing, monitor: CostOptimizationMonitor
) -> None:
    alert = monitor.create_budget_alert("Cloud Run", 500)[0]
    assert (alert.current_spend, alert.is_exceeded) == (None, None)


def spending(write: Write, *rows: dict[str, Any], now: datetime = OCTOBER) -> Callable[[], Any]:
    monitor = CostOptimizationMonitor(billing_export=write(*rows), now=lambda: now)
    return lambda: monitor.create_budget_alert("Cloud Run", 100, [50, 100])


def test_spending_is_this_months_and_promotions_do_not_hide_it(write: Write) -> None:
    rows = (
        row("90", [("PROMOTION", "-90"), ("FREE_TIER", "-10")]),
        row("1000", month="202609"),
        row("1000", service="Pub/Sub"),
    )
    alerts = spending(write, *rows)()
    assert [alert.current_spend for alert in alerts] == [Money(Decimal(80))] * 2
    assert [alert.is_exceeded for alert in alerts] == [True, False]


def test_an_export_of_last_month_tells_nothing_of_this_one(write: Write) -> None:
    assert spending(write, row("90", month="202609"))()[0].current_spend is None


def test_the_month_turns_at_midnight_in_los_angeles(write: Write) -> None:
    still_october = datetime(2026, 11, 1, 5, tzinfo=UTC)
    assert spending(write, row("60"), now=still_october)()[0].is_exceeded is True
    assert spending(write, row("60"), now=datetime(2026, 11, 1, 8, tzinfo=UTC))()[0].is_exceeded is None


def test_other_currencies_are_converted_for_a_budget_in_dollars_only(write: Write, billing: Billing) -> None:
    named = write(row("45", currency="EUR", rate="0.9"), row("10"))
    monitor = CostOptimizationMonitor("shop-prod", billing_export=named, now=lambda: OCTOBER)
    assert monitor.create_budget_alert("Cloud Run", 100)[0].current_spend == Money(Decimal(60))
    billing.currency = "GBP"
    monitor.create_budget_alert("Cloud Run", 101)
    assert monitor.create_budget_alert("Cloud Run", 101)[0].current_spend is None


@pytest.mark.parametrize("amount", [0, -5, math.nan, math.inf, True, "500", None, 1e18])
def test_a_budget_must_be_an_amount_above_zero(monitor: CostOptimizationMonitor, amount: Any) -> None:
    with pytest.raises(InvalidInputError, match="monthly_budget"):
        monitor.create_budget_alert("Cloud Run", amount)


@pytest.mark.parametrize("percentages", [[], [0], [-1, 50], [50, 50], [math.nan], ["50"], "50", 50, None])
def test_thresholds_must_be_different_numbers_above_zero(
    monitor: CostOptimizationMonitor, percentages: Any
) -> None:
    with pytest.raises(InvalidInputError, match="threshold"):
        monitor.create_budget_alert("Cloud Run", 500, percentages)


@pytest.mark.parametrize("name", ["", " ", None])
def test_a_budget_is_of_a_service(monitor: CostOptimizationMonitor, name: Any) -> None:
    with pytest.raises(InvalidInputError, match="service_name"):
        monitor.create_budget_alert(name, 500)


def test_switched_off_budgets_refuse(
    monitor: CostOptimizationMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONTHLY_BUDGET_ALERTS", "false")
    config.reset()
    with pytest.raises(ConfigurationError, match="MONTHLY_BUDGET_ALERTS"):
        monitor.create_budget_alert("Cloud Run", 500)


def test_long_names_stay_different_and_short_enough() -> None:
    names = {budget_name("p" * 30, f"{'Service ' * 8}{n}") for n in range(3)}
    assert len(names) == 3
    assert all(len(name) <= LONGEST_NAME for name in names)


def test_the_emulator_holds_the_budget(genesis_emulator: Any, monitor: CostOptimizationMonitor) -> None:
    config.reset()
    try:
        alerts = monitor.create_budget_alert("Cloud Run", 500)
    except CloudUnimplementedError as error:
        pytest.skip(f"the emulator has no budgets yet: {error}")
    assert alerts[0].budget_resource is not None
    assert alerts[0].budget_resource.startswith(f"{ACCOUNT}/budgets/")
    assert monitor.create_budget_alert("Cloud Run", 500) == alerts
