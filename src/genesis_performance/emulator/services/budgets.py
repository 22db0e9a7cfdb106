"""The emulated budgets of Cloud Billing: stored and checked; nothing is spent and no notice is sent.

Source: the documentation of ``Budget`` in the official client.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable
from typing import Any

from google.cloud.billing.budgets_v1 import types
from google.cloud.monitoring_v3 import types as monitoring

from ..crud import CrudService, Kind, invalid, key_of
from ..rpc_error import RpcError
from .cloud_billing import ACCOUNT, CURRENCY

ACCOUNT_NAME = r"billingAccounts/(?P<account>[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6})"
MAX_NAME_CHARS = 60
MAX_CHANNELS = 5
FIRST_YEAR = 2017
_Basis = types.ThresholdRule.Basis
_Credits = types.Filter.CreditTypesTreatment
_CHANNELS = "google.monitoring.v3.NotificationChannelService"


def _check(service: CrudService, budget: Any, _before: Any) -> None:
    if not budget.name.startswith(f"{ACCOUNT}/"):
        raise RpcError("PERMISSION_DENIED", "The caller does not have permission")
    if len(budget.display_name) > MAX_NAME_CHARS:
        raise invalid("budget.display_name", budget.display_name, f"at most {MAX_NAME_CHARS} characters.")
    _check_filter(budget.budget_filter)
    _check_amount(budget)
    for index, rule in enumerate(budget.threshold_rules):
        where = f"budget.threshold_rules[{index}]"
        if not 0 <= rule.threshold_percent < math.inf:
            raise invalid(f"{where}.threshold_percent", rule.threshold_percent, "it must not be negative.")
        if rule.spend_basis == _Basis.FORECASTED_SPEND and budget.budget_filter.HasField("custom_period"):
            raise invalid(f"{where}.spend_basis", "FORECASTED_SPEND", "it needs a calendar period.")
        rule.spend_basis = rule.spend_basis or _Basis.CURRENT_SPEND
    _check_notifications(service, budget.notifications_rule)


def _check_amount(budget: Any) -> None:
    amount = budget.amount
    kind = amount.WhichOneof("budget_amount")
    if kind is None:
        raise invalid("budget.amount", "", "specified_amount or last_period_amount must be set.")
    if kind == "last_period_amount":
        if budget.budget_filter.HasField("custom_period"):
            raise invalid("budget.amount", "last_period_amount", "it needs a calendar period.")
        return
    money = amount.specified_amount
    if money.currency_code not in {"", CURRENCY}:
        raise invalid(
            "budget.amount.specified_amount.currency_code",
            money.currency_code,
            f"the account is in {CURRENCY}.",
        )
    if money.units < 0 or not 0 <= money.nanos < 1_000_000_000:
        raise invalid(
            "budget.amount.specified_amount", f"{money.units} + {money.nanos}e-9", "it is no amount."
        )
    money.currency_code = CURRENCY


def _check_filter(chosen: Any) -> None:
    where = "budget.budget_filter"
    forms = {
        "projects": r"projects/[^/]+",
        "services": r"services/[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}",
        "subaccounts": r"billingAccounts/[^/]+",
        "resource_ancestors": r"(folders|organizations)/[^/]+",
    }
    for field, form in forms.items():
        for value in getattr(chosen, field):
            if re.fullmatch(form, value) is None:
                raise invalid(f"{where}.{field}", value, f"it must match {form}.")
    treatment = chosen.credit_types_treatment or _Credits.INCLUDE_ALL_CREDITS
    if chosen.credit_types and treatment != _Credits.INCLUDE_SPECIFIED_CREDITS:
        raise invalid(
            f"{where}.credit_types", ", ".join(chosen.credit_types), "INCLUDE_SPECIFIED_CREDITS only."
        )
    chosen.credit_types_treatment = treatment
    if len(chosen.labels) > 1 or any(len(values.values) > 1 for values in chosen.labels.values()):
        raise invalid(f"{where}.labels", ", ".join(chosen.labels), "one label with one value.")
    if not chosen.HasField("custom_period"):
        chosen.calendar_period = chosen.calendar_period or types.CalendarPeriod.MONTH
    elif chosen.custom_period.start_date.year < FIRST_YEAR:
        raise invalid(f"{where}.custom_period.start_date", "", f"it must be after January 1, {FIRST_YEAR}.")


def _check_notifications(service: CrudService, rule: Any) -> None:
    where = "budget.notifications_rule"
    if rule.pubsub_topic and re.fullmatch(r"projects/[^/]+/topics/[^/]+", rule.pubsub_topic) is None:
        raise invalid(
            f"{where}.pubsub_topic", rule.pubsub_topic, "it must have the form projects/*/topics/*."
        )
    if rule.schema_version != "1.0" and (rule.pubsub_topic or rule.schema_version):
        raise invalid(f"{where}.schema_version", rule.schema_version, 'only "1.0" is accepted.')
    channels = rule.monitoring_notification_channels
    if len(channels) > MAX_CHANNELS:
        raise invalid(f"{where}.monitoring_notification_channels", len(channels), f"at most {MAX_CHANNELS}.")
    look_up = service.cloud.services[_CHANNELS].GetNotificationChannel
    for name in channels:
        found = look_up(monitoring.GetNotificationChannelRequest.pb()(name=name))
        if found.type_ != "email":
            raise invalid(f"{where}.monitoring_notification_channels", name, "only email channels.")


class BudgetService(CrudService):
    """google.cloud.billing.budgets.v1.BudgetService."""

    SERVICE = "google.cloud.billing.budgets.v1.BudgetService"
    KINDS = (
        Kind(
            rpc="Budget",
            plural="Budgets",
            field="budget",
            message=types.Budget.pb(),
            page=types.ListBudgetsResponse.pb(),
            items="budgets",
            parent=ACCOUNT_NAME,
            collection="budgets",
            check=_check,
            new_id=lambda: str(uuid.uuid4()),
            most=100,
            has_etag=True,
        ),
    )

    def filter(self, kind: Kind, request: Any) -> Callable[[Any], bool]:
        if request.scope and re.fullmatch(r"projects/[^/]+", request.scope) is None:
            raise invalid("scope", request.scope, "only projects are supported.")
        wanted = key_of(request.scope)
        return lambda budget: (
            not request.scope or any(key_of(name) == wanted for name in budget.budget_filter.projects)
        )

    def unmasked(self, kind: Kind, given: Any, fixed: tuple[str, ...]) -> list[str]:
        """Without a mask only fields with a value are updated."""
        return [field.name for field, _value in given.ListFields() if field.name not in fixed]


SERVICES = (BudgetService,)
