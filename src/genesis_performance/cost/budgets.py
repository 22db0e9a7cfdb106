"""Budgets of a service: checked thresholds, and the budget in Cloud Billing that watches them.

The budget counts cost and all credits but promotions: while a promotion lasts, a budget that counts it never
tells anybody what the service really costs.

Source: https://cloud.google.com/billing/docs/how-to/budgets
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import InvalidInputError, StateError, UnknownNameError
from ..gcp import call, each
from ..model.money import Money
from ..prices.price import exact
from .analysis import CREDIT_TYPES

LONGEST_NAME = 60  # of a budget, says the API
COUNTED_CREDITS = tuple(sorted(CREDIT_TYPES - {"PROMOTION"}))
NANO = Decimal(10**9)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPlan:
    """What is to be watched."""

    service_name: str
    monthly_budget: Decimal
    percentages: tuple[Decimal, ...]  # ascending


def budget_plan(
    service_name: str, monthly_budget: Decimal | float, threshold_percentages: Sequence[Decimal | float]
) -> BudgetPlan:
    """A checked plan.

    Raises:
        InvalidInputError: the amount or a threshold is not a number above 0, or a threshold comes twice.
    """
    if not isinstance(service_name, str) or not service_name.strip():
        raise InvalidInputError(
            f"service_name is {service_name!r}; it must name a service, as in 'Cloud Run'"
        )
    amount = exact(monthly_budget, "monthly_budget")
    if amount <= 0 or amount >= Decimal(10**18):
        raise InvalidInputError(f"monthly_budget is {monthly_budget}; it must be above 0 and below 1e18")
    if isinstance(threshold_percentages, str | bytes) or not isinstance(threshold_percentages, Sequence):
        raise InvalidInputError(
            f"threshold_percentages is {threshold_percentages!r}; give a list, as in [50, 100]"
        )
    percentages = sorted(exact(percent, "a threshold percentage") for percent in threshold_percentages)
    if not percentages or percentages[0] <= 0:
        raise InvalidInputError(
            f"threshold_percentages is {list(threshold_percentages)}; give at least one, each above 0"
        )
    if len(set(percentages)) != len(percentages):
        raise InvalidInputError(f"threshold_percentages is {list(threshold_percentages)}; one comes twice")
    return BudgetPlan(
        service_name=service_name.strip(), monthly_budget=amount, percentages=tuple(percentages)
    )


def budget_name(project: str | None, service_name: str) -> str:
    """Display name: the same service of the same project has the same budget."""
    name = f"genesis {project or 'local'}: {service_name}"
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9]} {digest}"


def ensure_budget(project: str, plan: BudgetPlan) -> tuple[str, Money]:
    """Create the budget in Cloud Billing, or bring the one of this name up to date.

    Returns:
        Its resource name, and its amount in the currency of the billing account.

    Raises:
        UnknownNameError: Cloud Billing has no such service.
        StateError: the project has no billing account.
        CloudError: Google Cloud refused.
    """
    account = _billing_account(project)
    wanted = {
        "display_name": budget_name(project, plan.service_name),
        "budget_filter": {
            "projects": [f"projects/{project}"],
            "services": [_service(plan.service_name)],
            "credit_types_treatment": "INCLUDE_SPECIFIED_CREDITS",
            "credit_types": list(COUNTED_CREDITS),
            "calendar_period": "MONTH",
        },
        "amount": {"specified_amount": _units(plan.monthly_budget)},
        "threshold_rules": [
            {"threshold_percent": float(percent / 100), "spend_basis": "CURRENT_SPEND"}
            for percent in plan.percentages
        ],
    }
    known = next(
        (
            b
            for b in each("budgets", "list_budgets", {"parent": account})
            if b.display_name == wanted["display_name"]
        ),
        None,
    )
    if known is None:
        made = call("budgets", "create_budget", {"parent": account, "budget": wanted})
    elif _is_as_wanted(known, plan):
        made = known
    else:
        made = call(
            "budgets", "update_budget", {"budget": {**wanted, "name": known.name, "etag": known.etag}}
        )
    currency = made.amount.specified_amount.currency_code or "USD"
    return made.name, Money(plan.monthly_budget, currency)


def _billing_account(project: str) -> str:
    info = call("cloud_billing", "get_project_billing_info", {"name": f"projects/{project}"})
    if not info.billing_account_name:
        raise StateError(f"project {project} has no billing account, so it can have no budget")
    return str(info.billing_account_name)


def _service(name: str) -> str:
    """Resource name of a service, ``services/152E-C115-5142``."""
    known: dict[str, str] = {}
    for service in each("cloud_catalog", "list_services", {"page_size": 5000}):
        known[service.display_name] = service.name
        if service.display_name.lower() == name.lower():
            return str(service.name)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    raise UnknownNameError(
        f"Cloud Billing has no service {name!r}; "
        + (f"near are {', '.join(near)}" if near else "none is near")
    )


def _units(amount: Decimal) -> dict[str, int]:
    """As google.type.Money; without a currency it is the account's."""
    nanos = int((amount * NANO).to_integral_value())
    return {"units": nanos // 10**9, "nanos": nanos % 10**9}


def _is_as_wanted(budget: Any, plan: BudgetPlan) -> bool:
    money = budget.amount.specified_amount
    amount = Decimal(money.units) + Decimal(money.nanos) / NANO
    rules = sorted(Decimal(str(rule.threshold_percent)) * 100 for rule in budget.threshold_rules)
    return amount == plan.monthly_budget and rules == [
        Decimal(str(float(p / 100))) * 100 for p in plan.percentages
    ]
