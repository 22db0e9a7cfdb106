"""Alert policies, notification channels, dashboards and objectives, as the rules say they are."""

from __future__ import annotations

from typing import Any

from google.cloud import monitoring_dashboard_v1, monitoring_v3
from google.protobuf import duration_pb2

from .check import Site, check

Policies = monitoring_v3.AlertPolicyServiceClient
Channels = monitoring_v3.NotificationChannelServiceClient
Services = monitoring_v3.ServiceMonitoringServiceClient
Dashboards = monitoring_dashboard_v1.DashboardsServiceClient
Metrics = monitoring_v3.MetricServiceClient


def _policy(site: Site, metric: str, **threshold: Any) -> monitoring_v3.AlertPolicy:
    fields = {
        "filter": f'metric.type = "{metric}" AND resource.type = "global"',
        "comparison": "COMPARISON_GT",
        "threshold_value": 1.0,
        "duration": {"seconds": 60},
        "aggregations": [{"alignment_period": {"seconds": 60}, "per_series_aligner": "ALIGN_MEAN"}],
    }
    return monitoring_v3.AlertPolicy(
        display_name=site.name(),
        combiner="OR",
        enabled=False,
        conditions=[{"display_name": "high", "condition_threshold": fields | threshold}],
    )


def _descriptor(site: Site) -> str:
    client, metric = site.client(Metrics), f"custom.googleapis.com/{site.name()}"
    descriptor = {"type": metric, "metric_kind": "GAUGE", "value_type": "DOUBLE"}
    made = site.call(client.create_metric_descriptor, name=site.parent, metric_descriptor=descriptor)
    site.afterwards(client.delete_metric_descriptor, name=made.name)
    return metric


@check("condition/duration", "condition/period")
def durations_are_whole_minutes(site: Site) -> None:
    """A duration of 61 s and an alignment period of 30 s are refused."""
    client, metric = site.client(Policies), _descriptor(site)
    short = [{"alignment_period": {"seconds": 30}, "per_series_aligner": "ALIGN_MEAN"}]
    for fields in ({"duration": {"seconds": 61}}, {"aggregations": short}):
        site.refused(
            "INVALID_ARGUMENT", "", client.create_alert_policy,
            name=site.parent, alert_policy=_policy(site, metric, **fields),
        )  # fmt: skip


@check("policy/conditions")
def a_policy_has_conditions(site: Site) -> None:
    """A policy without conditions is refused."""
    policy = monitoring_v3.AlertPolicy(display_name=site.name(), combiner="OR")
    site.refused(
        "INVALID_ARGUMENT", "", site.client(Policies).create_alert_policy,
        name=site.parent, alert_policy=policy,
    )  # fmt: skip


@check("condition/metric-exists")
def metrics_must_exist(site: Site) -> None:
    """A condition on a metric without a descriptor is NOT_FOUND."""
    policy = _policy(site, f"custom.googleapis.com/{site.name()}")
    site.refused(
        "NOT_FOUND", "", site.client(Policies).create_alert_policy, name=site.parent, alert_policy=policy
    )


@check("channel/type", "channel/sensitive")
def channels(site: Site) -> None:
    """Unknown types and missing labels are refused; a key is shown in part only."""
    client = site.client(Channels)
    for fields in ({"type": "pigeon"}, {"type": "email", "labels": {}}):
        site.refused(
            "INVALID_ARGUMENT", "", client.create_notification_channel,
            name=site.parent, notification_channel=monitoring_v3.NotificationChannel(**fields),
        )  # fmt: skip
    key = "0123456789abcdef0123456789abcdef"
    channel = monitoring_v3.NotificationChannel(
        type="pagerduty", display_name=site.name(), labels={"service_key": key}, enabled=False
    )
    made = site.call(client.create_notification_channel, name=site.parent, notification_channel=channel)
    site.afterwards(client.delete_notification_channel, name=made.name)
    shown = site.call(client.get_notification_channel, name=made.name).labels.get("service_key")
    site.same("the key is shown whole", shown == key, False)


@check("dashboard/display-name", "dashboard/etag")
def dashboards(site: Site) -> None:
    """A dashboard needs a display name, and an update with an old etag is ABORTED."""
    client = site.client(Dashboards)
    site.refused(
        "INVALID_ARGUMENT", "", client.create_dashboard, request={"parent": site.parent, "dashboard": {}}
    )
    text = {"grid_layout": {"widgets": [{"text": {"content": "made by genesis-perf emulator verify"}}]}}
    made = site.call(
        client.create_dashboard,
        request={"parent": site.parent, "dashboard": {"display_name": site.name(), **text}},
    )
    site.afterwards(client.delete_dashboard, request={"name": made.name})
    site.call(client.update_dashboard, request={"dashboard": made})
    site.refused("ABORTED", "", client.update_dashboard, request={"dashboard": made})


@check("slo/goal", "slo/period", "slo/ratio", "service/id")
def objectives(site: Site) -> None:
    """Goals, periods and indicators have their limits."""
    client = site.client(Services)
    service = site.call(
        client.create_service,
        request={"parent": site.parent, "service_id": site.name(), "service": {"custom": {}}},
    )
    site.afterwards(client.delete_service, name=service.name)
    total = 'metric.type="serviceruntime.googleapis.com/api/request_count" resource.type="consumed_api"'
    ratio = {"good_service_filter": total, "total_service_filter": total}
    good: dict[str, Any] = {
        "goal": 0.99,
        "rolling_period": duration_pb2.Duration(seconds=7 * 86_400),
        "service_level_indicator": {"request_based": {"good_total_ratio": ratio}},
    }
    wrong: tuple[dict[str, Any], ...] = (
        {"goal": 1.0},
        {"rolling_period": duration_pb2.Duration(seconds=3600)},
        {"service_level_indicator": {"request_based": {"good_total_ratio": {"good_service_filter": total}}}},
    )
    for fields in wrong:
        site.refused(
            "INVALID_ARGUMENT", "", client.create_service_level_objective,
            parent=service.name, service_level_objective=good | fields,
        )  # fmt: skip
    site.call(client.create_service_level_objective, parent=service.name, service_level_objective=good)
