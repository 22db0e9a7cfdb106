"""The emulated notification channels: stored and checked; nothing is ever sent.

Sources: the documentation of ``NotificationChannel`` in the official client, and
https://cloud.google.com/monitoring/alerts/using-channels-api for the types and their labels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from google.api import label_pb2
from google.cloud.monitoring_v3 import types

from ..crud import CrudService, Kind, check_user_labels, copied, invalid, key_of
from ..paging import page_of
from ..projects import PROJECT
from ..rpc_error import RpcError

_Channel = types.NotificationChannel.pb()
_Descriptor = types.NotificationChannelDescriptor.pb()
_Status = types.NotificationChannel.VerificationStatus
_POLICIES = "google.monitoring.v3.AlertPolicyService"


@dataclass(frozen=True, slots=True)
class ChannelType:
    """What a type of channel asks for."""

    name: str
    display_name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    secret: frozenset[str] = field(default_factory=frozenset)  # labels that are shown in part only


CHANNEL_TYPES = {
    kind.name: kind
    for kind in (
        ChannelType("email", "Email", ("email_address",)),
        ChannelType("sms", "SMS", ("number",)),
        ChannelType("slack", "Slack", ("channel_name",), ("auth_token", "team"), frozenset({"auth_token"})),
        ChannelType("pagerduty", "PagerDuty Services", ("service_key",), (), frozenset({"service_key"})),
        ChannelType("webhook_tokenauth", "Webhook with Token Authentication", ("url",)),
        ChannelType(
            "webhook_basicauth", "Webhook with Basic Authentication", ("url", "username"), ("password",),
            frozenset({"password"}),
        ),
        ChannelType("pubsub", "Cloud Pub/Sub", ("topic",)),
        ChannelType("google_chat", "Google Chat", ("space",)),
    )
}  # fmt: skip


def _check(service: CrudService, channel: Any, before: Any) -> None:
    where = "notification_channel"
    kind = CHANNEL_TYPES.get(channel.type_)
    if kind is None:
        raise invalid(f"{where}.type", channel.type_, f"known types are {', '.join(CHANNEL_TYPES)}.")
    if len(channel.display_name) > 512:
        raise invalid(f"{where}.display_name", channel.display_name, "it must have at most 512 characters.")
    if len(channel.description) > 1024:
        raise invalid(f"{where}.description", channel.description, "it must have at most 1024 characters.")
    if before is not None:
        _keep_hidden_labels(kind, channel, before)
    _check_labels(kind, channel.labels, f"{where}.labels")
    check_user_labels(channel.user_labels, f"{where}.user_labels")
    now_ns = service.cloud.clock.now_ns()
    if before is None:
        if channel.verification_status:
            raise invalid(f"{where}.verification_status", channel.verification_status, "it can not be set.")
        if not channel.HasField("enabled"):
            channel.enabled.value = True
        if channel.type_ == "sms":
            channel.verification_status = _Status.UNVERIFIED
        channel.creation_record.mutate_time.FromNanoseconds(now_ns)
        del channel.mutation_records[:]
    else:
        channel.mutation_records.add().mutate_time.FromNanoseconds(now_ns)


def _check_labels(kind: ChannelType, labels: Any, where: str) -> None:
    for label in kind.required:
        if not labels.get(label):
            raise invalid(f"{where}[{label}]", "", f"a channel of type {kind.name} needs this label.")
    for label in labels:
        if label not in kind.required + kind.optional:
            raise invalid(where, label, f"a channel of type {kind.name} has no such label.")
    if kind.name == "email" and re.fullmatch(r"[^@\s]+@[^@\s]+", labels["email_address"]) is None:
        raise invalid(f"{where}[email_address]", labels["email_address"], "it is not an e-mail address.")
    if "url" in labels and re.match(r"https?://[^/\s]+", labels["url"]) is None:
        raise invalid(f"{where}[url]", labels["url"], "it is not a URL.")
    if "topic" in labels and re.fullmatch(r"projects/[^/]+/topics/[^/]+", labels["topic"]) is None:
        raise invalid(f"{where}[topic]", labels["topic"], "it must have the form projects/*/topics/*.")


def _hidden(value: str) -> str:
    return "*" * max(len(value) - 4, 8) + (value[-4:] if len(value) > 8 else "")


def _keep_hidden_labels(kind: ChannelType, channel: Any, before: Any) -> None:
    """A label that comes back as it was shown has not been changed."""
    for label in kind.secret & set(channel.labels) & set(before.labels):
        if channel.labels[label] == _hidden(before.labels[label]):
            channel.labels[label] = before.labels[label]


def _show(channel: Any) -> Any:
    for label in CHANNEL_TYPES[channel.type_].secret & set(channel.labels):
        channel.labels[label] = _hidden(channel.labels[label])
    return channel


class NotificationChannelService(CrudService):
    """google.monitoring.v3.NotificationChannelService."""

    SERVICE = "google.monitoring.v3.NotificationChannelService"
    KINDS = (
        Kind(
            rpc="NotificationChannel",
            plural="NotificationChannels",
            field="notification_channel",
            message=_Channel,
            page=types.ListNotificationChannelsResponse.pb(),
            items="notification_channels",
            parent=PROJECT,
            parent_field="name",
            collection="notificationChannels",
            check=_check,
            fixed=("name", "verification_status", "creation_record", "mutation_records"),
            show=_show,
        ),
    )

    def ListNotificationChannelDescriptors(self, request: Any, context: Any = None) -> Any:
        if re.fullmatch(PROJECT, request.name) is None:
            raise invalid("name", request.name, "it must have the form projects/[PROJECT].")
        found = [_descriptor(request.name, kind) for kind in CHANNEL_TYPES.values()]
        page, following = page_of(found, request, most=1000)
        answer = types.ListNotificationChannelDescriptorsResponse.pb()
        return answer(channel_descriptors=page, next_page_token=following)

    def GetNotificationChannelDescriptor(self, request: Any, context: Any = None) -> Any:
        match = re.fullmatch(rf"({PROJECT})/notificationChannelDescriptors/(?P<type>[^/]+)", request.name)
        if match is None:
            form = "projects/[PROJECT]/notificationChannelDescriptors/[TYPE]"
            raise invalid("name", request.name, f"it must have the form {form}.")
        kind = CHANNEL_TYPES.get(match["type"])
        if kind is None:
            raise RpcError("NOT_FOUND", f"NotificationChannelDescriptor {request.name} was not found.")
        return _descriptor(match[1], kind)

    def before_delete(self, kind: Kind, message: Any, request: Any) -> None:
        policies = self.cloud.services.get(_POLICIES)
        if policies is None:
            return
        project = message.name.partition("/notificationChannels/")[0]
        listed = policies.ListAlertPolicies(types.ListAlertPoliciesRequest.pb()(name=project))
        for policy in listed.alert_policies:
            others = [name for name in policy.notification_channels if key_of(name) != key_of(message.name)]
            if len(others) == len(policy.notification_channels):
                continue
            if not request.force:
                raise RpcError(
                    "FAILED_PRECONDITION",
                    f"{message.name} is used by {policy.name}; force removes it there.",
                )
            changed = copied(policy)
            del changed.notification_channels[:]
            changed.notification_channels.extend(others)
            policies.UpdateAlertPolicy(
                types.UpdateAlertPolicyRequest.pb()(
                    alert_policy=changed, update_mask={"paths": ["notification_channels"]}
                )
            )


def _descriptor(project: str, kind: ChannelType) -> Any:
    return _Descriptor(
        name=f"{project}/notificationChannelDescriptors/{kind.name}",
        type_=kind.name,
        display_name=kind.display_name,
        labels=[label_pb2.LabelDescriptor(key=label) for label in kind.required + kind.optional],
    )


SERVICES = (NotificationChannelService,)
