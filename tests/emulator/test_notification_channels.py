from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud import monitoring_v3
from google.protobuf import field_mask_pb2

P = "projects/shop"
MAIL = {"type": "email", "labels": {"email_address": "ops@example.com"}, "display_name": "Ops"}
PAGER = {"type": "pagerduty", "labels": {"service_key": "0123456789abcdef"}}


@pytest.fixture
def client(connect):
    return connect(monitoring_v3.NotificationChannelServiceClient)


@pytest.fixture
def make(client):
    def make(**fields):
        channel = monitoring_v3.NotificationChannel(**(MAIL | fields))
        return client.create_notification_channel(name=P, notification_channel=channel)

    return make


def test_a_channel_gets_a_name_and_is_enabled(client, make):
    made = make()
    assert made.name.startswith(f"{P}/notificationChannels/")
    assert made.enabled is True
    assert made.creation_record.mutate_time
    assert client.get_notification_channel(name=made.name) == made


def test_the_types_are_listed_with_their_labels(client):
    found = {each.type_: each for each in client.list_notification_channel_descriptors(name=P)}
    assert {"email", "sms", "slack", "pagerduty", "webhook_tokenauth", "pubsub"} <= set(found)
    assert [label.key for label in found["email"].labels] == ["email_address"]
    one = client.get_notification_channel_descriptor(name=found["email"].name)
    assert one == found["email"]


def test_an_unknown_type_has_no_descriptor(client):
    with pytest.raises(exceptions.NotFound):
        client.get_notification_channel_descriptor(name=f"{P}/notificationChannelDescriptors/pigeon")


def test_a_secret_label_is_shown_in_part(client, make):
    made = make(**PAGER)
    assert made.labels["service_key"] == "************cdef"
    (listed,) = client.list_notification_channels(name=P)
    assert "0123" not in listed.labels["service_key"]


def test_a_secret_label_written_back_as_shown_keeps_its_value(genesis_emulator, client, make):
    made = make(**PAGER)
    made.display_name = "renamed"
    client.update_notification_channel(notification_channel=made)
    service = genesis_emulator.cloud.services["google.monitoring.v3.NotificationChannelService"]
    assert (
        service.resources["NotificationChannel"].held(made.name).labels["service_key"] == "0123456789abcdef"
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "pigeon"},
        {"type": ""},
        {"labels": {}},
        {"labels": {"email_address": "nobody"}},
        {"labels": {"email_address": "a@b.c", "colour": "red"}},
        {"type": "webhook_tokenauth", "labels": {"url": "not a url"}},
        {"type": "pubsub", "labels": {"topic": "t"}},
        {"display_name": "x" * 513},
        {"description": "x" * 1025},
        {"user_labels": {"Upper": "x"}},
        {"user_labels": {"a": "B"}},
        {"user_labels": {f"l{n}": "" for n in range(65)}},
        {"verification_status": "VERIFIED"},
    ],
    ids=str,
)
def test_a_channel_that_can_not_be_is_refused(make, fields):
    with pytest.raises(exceptions.InvalidArgument):
        make(**fields)


def test_only_masked_fields_change_and_the_change_is_recorded(client, make):
    made = make()
    wanted = monitoring_v3.NotificationChannel(name=made.name, display_name="New", description="ignored")
    changed = client.update_notification_channel(
        notification_channel=wanted, update_mask=field_mask_pb2.FieldMask(paths=["display_name"])
    )
    assert (changed.display_name, changed.description) == ("New", "")
    assert changed.labels == made.labels
    assert len(changed.mutation_records) == 1


def test_the_verification_status_can_not_be_updated(client, make):
    made = make()
    with pytest.raises(exceptions.InvalidArgument):
        client.update_notification_channel(
            notification_channel=made, update_mask=field_mask_pb2.FieldMask(paths=["verification_status"])
        )


def test_channels_are_filtered_and_sorted(client, make):
    make(display_name="b", user_labels={"team": "shop"})
    make(display_name="a")
    make(display_name="c", **PAGER)

    def names(**request):
        found = client.list_notification_channels(request={"name": P, **request})
        return [channel.display_name for channel in found]

    assert names(filter='type="email"') == ["b", "a"]
    assert names(filter='user_labels.team="shop"') == ["b"]
    assert names(order_by="display_name") == ["a", "b", "c"]
    assert names(order_by="-display_name") == ["c", "b", "a"]
    assert names(order_by="type, -display_name") == ["b", "a", "c"]
    with pytest.raises(exceptions.InvalidArgument):
        names(order_by="colour")


def test_a_page_holds_what_was_asked_for_and_the_total_is_told(client, make):
    for number in range(5):
        make(display_name=str(number))
    first = client.list_notification_channels(request={"name": P, "page_size": 2})
    assert first.total_size == 5
    assert [channel.display_name for channel in first] == list("01234")


def test_a_project_number_finds_the_same_channels(client, make):
    from genesis_performance.emulator.projects import number_of

    make()
    assert len(list(client.list_notification_channels(name=f"projects/{number_of('shop')}"))) == 1


def test_a_deleted_channel_is_gone(client, make):
    made = make()
    client.delete_notification_channel(name=made.name)
    for call in (client.get_notification_channel, client.delete_notification_channel):
        with pytest.raises(exceptions.NotFound):
            call(name=made.name)


@pytest.fixture
def policy(connect, make):
    """An alert policy that notifies a channel, and the channel."""
    channel = make()
    metrics = connect(monitoring_v3.MetricServiceClient)
    metrics.create_metric_descriptor(
        name=P,
        metric_descriptor={
            "type": "custom.googleapis.com/queue",
            "metric_kind": "GAUGE",
            "value_type": "DOUBLE",
        },
    )
    policies = connect(monitoring_v3.AlertPolicyServiceClient)
    condition = {
        "display_name": "long",
        "condition_threshold": {
            "filter": 'metric.type="custom.googleapis.com/queue" AND resource.type="global"',
            "comparison": "COMPARISON_GT",
            "threshold_value": 5,
            "duration": {"seconds": 0},
        },
    }
    made = policies.create_alert_policy(
        name=P,
        alert_policy=monitoring_v3.AlertPolicy(
            display_name="p", combiner="OR", conditions=[condition], notification_channels=[channel.name]
        ),
    )
    return policies, made, channel


def test_a_channel_in_use_is_deleted_only_by_force(client, policy):
    policies, made, channel = policy
    with pytest.raises(exceptions.FailedPrecondition, match=made.name):
        client.delete_notification_channel(name=channel.name)
    client.delete_notification_channel(name=channel.name, force=True)
    assert list(policies.get_alert_policy(name=made.name).notification_channels) == []


def test_verification_is_not_emulated(client, make):
    with pytest.raises(exceptions.MethodNotImplemented, match="SendNotificationChannelVerificationCode"):
        client.send_notification_channel_verification_code(name=make().name)
