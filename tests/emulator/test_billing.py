from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud import billing_v1, monitoring_v3
from google.cloud.billing import budgets_v1
from google.protobuf import field_mask_pb2

ACCOUNT = "billingAccounts/000000-000000-000000"
P = "projects/shop"
HUNDRED = {"specified_amount": {"units": 100}}


@pytest.fixture
def billing(connect):
    return connect(billing_v1.CloudBillingClient)


@pytest.fixture
def catalog(connect):
    return connect(billing_v1.CloudCatalogClient)


@pytest.fixture
def client(connect):
    return connect(budgets_v1.BudgetServiceClient)


@pytest.fixture
def make(client):
    def make(parent=ACCOUNT, **fields):
        budget = budgets_v1.Budget(**({"display_name": "Shop", "amount": HUNDRED} | fields))
        return client.create_budget(parent=parent, budget=budget)

    return make


# the account


def test_every_project_is_linked_to_the_one_account(billing):
    info = billing.get_project_billing_info(name=P)
    assert info.billing_account_name == ACCOUNT
    assert info.billing_enabled
    assert billing.get_billing_account(name=ACCOUNT).currency_code == "USD"
    assert [account.name for account in billing.list_billing_accounts()] == [ACCOUNT]


def test_a_project_can_be_unlinked_and_linked_again(billing):
    unlinked = billing.update_project_billing_info(name=P, project_billing_info={})
    assert not unlinked.billing_enabled
    assert list(billing.list_project_billing_info(name=ACCOUNT)) == []
    billing.update_project_billing_info(name=P, project_billing_info={"billing_account_name": ACCOUNT})
    assert [info.project_id for info in billing.list_project_billing_info(name=ACCOUNT)] == ["shop"]


def test_another_account_is_not_ours_to_see(billing):
    with pytest.raises(exceptions.PermissionDenied):
        billing.get_billing_account(name="billingAccounts/111111-111111-111111")


@pytest.mark.parametrize("name", ["shop", "projects/", "billingAccounts/1"])
def test_a_project_name_that_can_not_be_is_refused(billing, name):
    with pytest.raises(exceptions.InvalidArgument):
        billing.get_project_billing_info(name=name)


# the catalog


def test_the_services_we_name_are_listed(catalog):
    assert {service.display_name for service in catalog.list_services()} == {
        "Cloud Run", "Secret Manager", "Cloud Monitoring", "BigQuery", "Cloud Storage", "Compute Engine",
    }  # fmt: skip


def test_a_price_is_money_in_tiers(catalog):
    skus = {sku.description: sku for sku in catalog.list_skus(parent="services/EE82-7A5E-871C")}
    rates = skus["Secret version replica storage"].pricing_info[0].pricing_expression.tiered_rates
    assert [(rate.start_usage_amount, rate.unit_price.units, rate.unit_price.nanos) for rate in rates] == [
        (0, 0, 0),
        (6, 0, 60_000_000),
    ]


def test_sku_ids_are_unique(catalog):
    ids = [
        sku.sku_id for service in catalog.list_services() for sku in catalog.list_skus(parent=service.name)
    ]
    assert len(ids) == len(set(ids)) > 30


def test_an_unknown_service_has_no_skus(catalog):
    with pytest.raises(exceptions.NotFound):
        list(catalog.list_skus(parent="services/0000-0000-0000"))


def test_prices_in_other_currencies_are_not_emulated(catalog):
    with pytest.raises(exceptions.MethodNotImplemented, match="EUR"):
        catalog.list_skus(request={"parent": "services/EE82-7A5E-871C", "currency_code": "EUR"})


# budgets


def test_a_budget_gets_a_name_an_etag_and_the_defaults(client, make):
    made = make(threshold_rules=[{"threshold_percent": 0.9}])
    assert made.name.startswith(f"{ACCOUNT}/budgets/")
    assert made.etag
    assert made.amount.specified_amount.currency_code == "USD"
    assert made.budget_filter.calendar_period == budgets_v1.CalendarPeriod.MONTH
    assert made.threshold_rules[0].spend_basis == budgets_v1.ThresholdRule.Basis.CURRENT_SPEND
    assert client.get_budget(name=made.name) == made


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": {}},
        {"amount": {"specified_amount": {"units": 1, "currency_code": "EUR"}}},
        {"amount": {"specified_amount": {"units": -1}}},
        {"display_name": "x" * 61},
        {"threshold_rules": [{"threshold_percent": -0.5}]},
        {"threshold_rules": [{"threshold_percent": float("nan")}]},
        {
            "threshold_rules": [{"threshold_percent": 1, "spend_basis": "FORECASTED_SPEND"}],
            "budget_filter": {"custom_period": {"start_date": {"year": 2026, "month": 1, "day": 1}}},
        },
        {
            "amount": {"last_period_amount": {}},
            "budget_filter": {"custom_period": {"start_date": {"year": 2026, "month": 1, "day": 1}}},
        },
        {"budget_filter": {"custom_period": {"start_date": {"year": 2016, "month": 1, "day": 1}}}},
        {"budget_filter": {"custom_period": {}}},
        {"budget_filter": {"projects": ["shop"]}},
        {"budget_filter": {"services": ["services/run"]}},
        {"budget_filter": {"credit_types": ["PROMOTION"]}},
        {"notifications_rule": {"pubsub_topic": "projects/p/topics/t"}},
        {"notifications_rule": {"pubsub_topic": "t", "schema_version": "1.0"}},
        {"notifications_rule": {"pubsub_topic": "projects/p/topics/t", "schema_version": "2.0"}},
        {"notifications_rule": {"monitoring_notification_channels": [f"{P}/notificationChannels/1"] * 6}},
    ],
    ids=str,
)  # fmt: skip
def test_a_budget_that_can_not_be_is_refused(make, fields):
    with pytest.raises(exceptions.InvalidArgument):
        make(**fields)


def test_only_email_channels_may_be_notified(connect, make):
    channels = connect(monitoring_v3.NotificationChannelServiceClient)

    def channel(**fields):
        return channels.create_notification_channel(
            name=P, notification_channel=monitoring_v3.NotificationChannel(**fields)
        ).name

    mail = channel(type="email", labels={"email_address": "a@example.com"})
    pager = channel(type="pagerduty", labels={"service_key": "k" * 20})
    make(notifications_rule={"monitoring_notification_channels": [mail]})
    with pytest.raises(exceptions.InvalidArgument, match="email"):
        make(notifications_rule={"monitoring_notification_channels": [pager]})


def test_a_budget_of_another_account_is_denied(make):
    with pytest.raises(exceptions.PermissionDenied):
        make(parent="billingAccounts/111111-111111-111111")


def test_without_a_mask_only_fields_with_a_value_change(client, make):
    made = make(threshold_rules=[{"threshold_percent": 0.5}])
    changed = client.update_budget(budget=budgets_v1.Budget(name=made.name, display_name="New"))
    assert changed.display_name == "New"
    assert len(changed.threshold_rules) == 1


def test_a_mask_may_clear(client, make):
    made = make(threshold_rules=[{"threshold_percent": 0.5}])
    changed = client.update_budget(
        budget=budgets_v1.Budget(name=made.name),
        update_mask=field_mask_pb2.FieldMask(paths=["threshold_rules"]),
    )
    assert list(changed.threshold_rules) == []


def test_an_etag_of_the_past_is_aborted_and_none_overwrites(client, make):
    made = make()
    client.update_budget(budget=made)
    with pytest.raises(exceptions.Aborted):
        client.update_budget(budget=made)
    made.etag = ""
    client.update_budget(budget=made)


def test_budgets_are_listed_by_the_project_they_track(client, make):
    make(display_name="a", budget_filter={"projects": [P]})
    make(display_name="b")
    found = client.list_budgets(request={"parent": ACCOUNT, "scope": P})
    assert [budget.display_name for budget in found] == ["a"]
    assert len(list(client.list_budgets(parent=ACCOUNT))) == 2


def test_a_page_holds_at_most_100_budgets(client, make):
    for _ in range(101):
        make()
    pages = list(client.list_budgets(request={"parent": ACCOUNT, "page_size": 5000}).pages)
    assert [len(page.budgets) for page in pages] == [100, 1]


def test_a_deleted_budget_is_gone(client, make):
    made = make()
    client.delete_budget(name=made.name)
    with pytest.raises(exceptions.NotFound):
        client.get_budget(name=made.name)
