"""Alert policies: their rules, and creating, finding, changing and listing them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from google.cloud.monitoring_v3 import types

from genesis_performance.emulator.rpc_error import RpcError

from .build import (
    PROJECT,
    RESOURCE,
    TYPE,
    WHERE,
    AlertPolicy,
    create,
    create_policy,
    distribution,
    policy,
    series,
    set_aggregation,
    threshold,
    update_policy,
)


@pytest.fixture(autouse=True)
def _metric(metrics, cloud):
    metrics.CreateTimeSeries(create([series(1.0, cloud.now_s, labels={"op": "a"})]))


def get(policies, name):
    return policies.GetAlertPolicy(types.GetAlertPolicyRequest.pb()(name=name))


def delete(policies, name):
    return policies.DeleteAlertPolicy(types.DeleteAlertPolicyRequest.pb()(name=name))


def listed(policies, **fields):
    answer = policies.ListAlertPolicies(types.ListAlertPoliciesRequest.pb()(name=PROJECT, **fields))
    return [item.display_name for item in answer.alert_policies], answer


def refused(policies, message):
    with pytest.raises(RpcError) as caught:
        policies.CreateAlertPolicy(create_policy(message))
    assert not listed(policies)[0]
    return caught.value


def test_a_created_policy_has_names_records_and_is_enabled(policies, cloud):
    made = policies.CreateAlertPolicy(create_policy(policy()))
    assert made.name.startswith(f"{PROJECT}/alertPolicies/")
    assert made.conditions[0].name.startswith(f"{made.name}/conditions/")
    assert made.enabled.value
    assert made.creation_record.mutate_time.seconds == int(cloud.now_s)
    assert get(policies, made.name) == made


def test_the_request_is_not_changed(policies):
    message = policy()
    before = message.SerializeToString(deterministic=True)
    policies.CreateAlertPolicy(create_policy(message))
    assert message.SerializeToString(deterministic=True) == before


def test_a_deleted_policy_is_gone(policies):
    made = policies.CreateAlertPolicy(create_policy(policy()))
    delete(policies, made.name)
    for call in (get, delete):
        with pytest.raises(RpcError, match="NOT_FOUND"):
            call(policies, made.name)


@pytest.mark.parametrize(
    "name", ["", "projects/demo", "projects/demo/alertPolicies/", "projects//alertPolicies/1"]
)
def test_malformed_policy_names_are_refused(policies, name):
    with pytest.raises(RpcError, match="INVALID_ARGUMENT"):
        get(policies, name)


def test_names_are_given_by_the_service(policies):
    message = policy()
    message.name = f"{PROJECT}/alertPolicies/1"
    assert (
        "Cannot set 'name' when creating alert policy. Tried to set to" in refused(policies, message).message
    )
    message = policy()
    message.conditions[0].name = "x"
    assert "alert_policy.conditions[0].name" in refused(policies, message).message


def test_a_project_has_so_many_policies_and_no_more(policies):
    policies.max_policies = 2
    for _ in range(2):
        policies.CreateAlertPolicy(create_policy(policy()))
    with pytest.raises(RpcError, match="RESOURCE_EXHAUSTED"):
        policies.CreateAlertPolicy(create_policy(policy()))


def labels(**entries):
    return lambda message: message.user_labels.update(entries)


def condition(change):
    return lambda message: change(message.conditions[0].condition_threshold)


def more_conditions(count):
    def change(message):
        for _ in range(count):
            threshold(message.conditions.add())

    return change


def set_period(seconds):
    return condition(lambda spec: setattr(spec.aggregations[0].alignment_period, "seconds", seconds))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.conditions.pop(), "from one to 6 conditions"),
        (more_conditions(6), "from one to 6 conditions"),
        (lambda m: m.conditions[0].Clear(), "A condition must be specified"),
        (lambda m: more_conditions(1)(m) or setattr(m, "combiner", 0), "needs a combiner"),
        (lambda m: setattr(m, "combiner", 77), "combiner is unknown"),
        (lambda m: setattr(m, "severity", 77), "severity is unknown"),
        (lambda m: setattr(m, "display_name", "x" * 513), "limited to 512"),
        (labels(Team="x"), "lowercase letters"),
        (labels(team="X"), "lowercase letters"),
        (labels(**{"1team": "x"}), "must begin with a letter"),
        (labels(**{"": "x"}), "must begin with a letter"),
        (labels(team="x" * 64), "limited to 63 characters and 128 bytes"),
        (labels(team="日" * 43), "limited to 63 characters and 128 bytes"),
        (labels(**{f"k{n}": "v" for n in range(65)}), "at most 64 entries"),
        (lambda m: setattr(m.documentation, "content", "x" * 8193), "8192 characters"),
        (lambda m: setattr(m.documentation, "content", "日" * 4000), "10240 bytes"),
        (lambda m: setattr(m.documentation, "mime_type", "text/html"), 'Only "text/markdown"'),
        (lambda m: setattr(m.documentation, "subject", "x" * 10_241), "subject may not exceed"),
        (lambda m: [m.documentation.links.add(url="x") for _ in range(4)], "at most 3 entries"),
        (lambda m: m.notification_channels.append("nonsense"), "notificationChannels"),
        (lambda m: m.notification_channels.extend(["x"] * 17), "at most 16 notification channels"),
        (lambda m: setattr(m.alert_strategy.auto_close, "seconds", 8 * 86_400), "more than 7 days"),
        (lambda m: setattr(m.alert_strategy.auto_close, "seconds", 60), "should be at least 30 minutes"),
        (condition(lambda spec: setattr(spec, "filter", "")), "must not be empty"),
        (condition(lambda spec: setattr(spec, "filter", "x" * 2049)), "longer than 2048"),
        (condition(lambda spec: setattr(spec, "filter", RESOURCE)), "must specify a single metric type"),
        (
            condition(lambda spec: setattr(spec, "filter", f'metric.type = "{TYPE}"')),
            (
                'must specify a restriction on "resource.type" in the filter; see '
                '"https://cloud.google.com/monitoring/api/resources" for a list of available resource types.'
            ),
        ),
        (condition(lambda spec: setattr(spec, "comparison", 0)), "Only COMPARISON_LT and COMPARISON_GT"),
        (condition(lambda spec: setattr(spec, "comparison", 2)), "Only COMPARISON_LT and COMPARISON_GT"),
        (
            condition(lambda spec: setattr(spec.duration, "seconds", 30)),
            (
                'condition_threshold.duration had an invalid value of "30s": only multiples of 1 minute are '
                "supported"
            ),
        ),
        (condition(lambda spec: setattr(spec.duration, "nanos", 1)), "only multiples of 1 minute"),
        (condition(lambda spec: setattr(spec.duration, "seconds", -60)), "it must be from 0s"),
        (condition(lambda spec: setattr(spec.duration, "seconds", 2**60)), "only multiples of 1 minute"),
        (condition(lambda spec: setattr(spec.duration, "seconds", 60 * 10**9)), "it must be from 0s"),
        (
            condition(lambda spec: setattr(spec, "evaluation_missing_data", 3)),
            (
                'evaluation_missing_data had an invalid value of "EVALUATION_MISSING_DATA_NO_OP": Conditions '
                "setting "
                "evaluation_missing_data must have a non-zero duration."
            ),
        ),
        (condition(lambda spec: setattr(spec, "evaluation_missing_data", 9)), "It is unknown"),
        (condition(lambda spec: setattr(spec.trigger, "count", 0)), "It must be positive"),
        (condition(lambda spec: setattr(spec.trigger, "percent", 101)), "at most 100"),
        (condition(lambda spec: setattr(spec.trigger, "percent", float("nan"))), "at most 100"),
        (
            set_period(450),
            (
                'aggregations[0].alignment_period had an invalid value of "{"seconds":450}": '
                "alignment period must be in multiples of one minute"
            ),
        ),
        (set_period(0), "at least 60 seconds"),
        (set_period(26 * 3600), "at most 90000 seconds"),
        (
            condition(lambda spec: setattr(spec.duration, "seconds", 25 * 3600)),
            "together must not exceed 25 hours",
        ),
        (
            condition(lambda spec: setattr(spec.aggregations[0], "per_series_aligner", 1)),
            "aligner cannot be applied",
        ),
        (
            condition(lambda spec: setattr(spec.forecast_options.forecast_horizon, "seconds", 60)),
            "1 hour to 60 hours",
        ),
        (
            condition(lambda spec: set_aggregation(spec.denominator_aggregations.add(), "ALIGN_MEAN", 60)),
            "There is no denominator_filter",
        ),
        (
            condition(
                lambda spec: (
                    setattr(spec, "denominator_filter", WHERE)
                    or set_aggregation(spec.denominator_aggregations.add(), "ALIGN_MEAN", 120)
                )
            ),
            "must use the same alignment periods",
        ),
    ],
)
def test_rules_of_policies(policies, change, words):
    message = policy()
    change(message)
    error = refused(policies, message)
    assert error.code == "INVALID_ARGUMENT"
    assert words in error.message


def test_labels_in_other_alphabets_without_case_are_fine(policies):
    message = policy()
    message.user_labels["日本"] = "語-1_"
    policies.CreateAlertPolicy(create_policy(message))


def test_a_metric_without_descriptor_is_not_found(policies):
    message = policy(where=f'metric.type = "{TYPE}/new" AND {RESOURCE}')
    error = refused(policies, message)
    assert error.code == "NOT_FOUND"
    assert error.message == (
        f'Cannot find metric(s) that match type = "{TYPE}/new". If a metric was created recently, it '
        "could take up to "
        "10 minutes to become available. Please try again soon."
    )


def test_a_new_descriptor_is_seen_after_the_delay(policies, cloud):
    cloud.settings.descriptor_delay_s = 600
    assert refused(policies, policy()).code == "NOT_FOUND"
    cloud.clock.advance(600)
    policies.CreateAlertPolicy(create_policy(policy()))


def test_googles_own_metrics_need_no_descriptor(policies):
    message = policy(
        where='metric.type = "run.googleapis.com/request_latencies" AND resource.type = "cloud_run_revision"'
    )
    policies.CreateAlertPolicy(create_policy(message))


def test_a_distribution_is_not_compared(policies, metrics, cloud):
    metrics.CreateTimeSeries(create([series(distribution([1, 0, 0, 0]), cloud.now_s, metric=f"{TYPE}/d")]))
    message = policy(where=f'metric.type = "{TYPE}/d" AND {RESOURCE}', aligner="ALIGN_SUM")
    assert "type DISTRIBUTION can not be compared" in refused(policies, message).message
    message.conditions[0].condition_threshold.aggregations[0].per_series_aligner = 19  # ALIGN_PERCENTILE_95
    policies.CreateAlertPolicy(create_policy(message))


def other(kind, **fields):
    message = AlertPolicy(display_name="x", combiner=2)
    spec = getattr(message.conditions.add(), f"condition_{kind}")
    spec.SetInParent()
    for field, value in fields.items():
        if field.endswith("_s"):
            getattr(spec, field[:-2]).seconds = value
        elif field == "labels":
            spec.labels.update(value)
        else:
            setattr(spec, field, value)
    return message


PROMQL, MQL = "prometheus_query_language", "monitoring_query_language"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (lambda: other("absent", filter=WHERE, duration_s=60), "from 120s"),
        (lambda: other("absent", filter=WHERE, duration_s=84_660), "to 84600s"),
        (lambda: other("absent", filter=WHERE, duration_s=150), "only multiples of 1 minute"),
        (lambda: other("absent", filter=f'metric.type = "{TYPE}"', duration_s=120), "resource.type"),
        (lambda: other(MQL), "query had an invalid value"),
        (lambda: other(MQL, query="fetch x", duration_s=1), "only multiples of 1 minute"),
        (lambda: other(PROMQL), "query had an invalid value"),
        (lambda: other(PROMQL, query="up", duration_s=-1), "must not be negative"),
        (lambda: other(PROMQL, query="up", evaluation_interval_s=45), "multiple of 30 seconds"),
        (lambda: other(PROMQL, query="up", evaluation_interval_s=0), "multiple of 30 seconds"),
        (lambda: other(PROMQL, query="up", rule_group="x" * 2049), "must not exceed 2048"),
        (lambda: other(PROMQL, query="up", alert_rule="not a name"), "valid Prometheus label name"),
        (lambda: other(PROMQL, query="up", labels={"1": "x"}), "valid Prometheus label name"),
        (lambda: other("matched_log", filter="severity=ERROR"), "notification_rate_limit"),
        (lambda: other("sql", query=""), "query had an invalid value"),
        (lambda: other("sql", query="SELECT 1"), "schedule"),
    ],
)
def test_rules_of_other_conditions(policies, message, words):
    assert words in refused(policies, message()).message


@pytest.mark.parametrize(
    "message",
    [
        lambda: other("absent", filter=WHERE, duration_s=120),
        lambda: other(MQL, query="fetch x"),
        lambda: other(PROMQL, query="up == 0", evaluation_interval_s=60, duration_s=7, alert_rule="Down"),
    ],
)
def test_other_conditions_are_stored_and_not_evaluated(policies, message):
    made = policies.CreateAlertPolicy(create_policy(message()))
    policies.evaluate()
    assert get(policies, made.name) == made
    assert policies.list_alerts(PROJECT)["alerts"] == []


def test_slo_selectors_and_forecasts_are_stored(policies):
    slo = 'select_slo_burn_rate("projects/demo/services/s/serviceLevelObjectives/o", "3600s")'
    policies.CreateAlertPolicy(create_policy(policy(where=slo, aligner=None)))
    forecast = policy()
    forecast.conditions[0].condition_threshold.forecast_options.forecast_horizon.seconds = 3600
    policies.CreateAlertPolicy(create_policy(forecast))
    policies.evaluate()


@pytest.mark.parametrize(
    ("kind", "words"), [(MQL, "Query Language condition"), ("matched_log", "log matching condition")]
)
def test_mql_and_log_conditions_stand_alone(policies, kind, words):
    message = other(kind)
    threshold(message.conditions.add())
    assert f"{words} can only have a single condition." in refused(policies, message).message


def test_channels_are_looked_up_where_their_service_is_there(policies, cloud):
    known = f"{PROJECT}/notificationChannels/1"

    def look_up(request):
        if request.name != known:
            raise RpcError("NOT_FOUND", "no such channel")

    message = policy()
    message.notification_channels.append(f"{PROJECT}/notificationChannels/2")
    policies.CreateAlertPolicy(create_policy(message))
    service = SimpleNamespace(GetNotificationChannel=look_up)
    cloud.services["google.monitoring.v3.NotificationChannelService"] = service
    with pytest.raises(RpcError, match=r"notification_channels\[0\].*does not exist"):
        policies.CreateAlertPolicy(create_policy(message))
    message.notification_channels[0] = known
    policies.CreateAlertPolicy(create_policy(message))


def test_an_update_without_mask_replaces_the_policy_and_keeps_named_conditions(policies, cloud):
    made = policies.CreateAlertPolicy(create_policy(policy()))
    cloud.clock.advance(60)
    wanted = AlertPolicy(name=made.name, display_name="Other", combiner=2)
    wanted.conditions.add().CopyFrom(made.conditions[0])
    threshold(wanted.conditions.add())
    updated = policies.UpdateAlertPolicy(update_policy(wanted))
    assert updated.display_name == "Other"
    assert updated.conditions[0].name == made.conditions[0].name != updated.conditions[1].name
    assert updated.creation_record == made.creation_record
    assert updated.mutation_record.mutate_time.seconds == int(cloud.now_s)
    assert get(policies, made.name) == updated


def test_a_mask_changes_what_it_lists_and_nothing_else(policies):
    message = policy()
    message.user_labels.update({"team": "web", "old": "x"})
    message.documentation.content = "Read me"
    made = policies.CreateAlertPolicy(create_policy(message))
    wanted = AlertPolicy(name=made.name, display_name="Ignored")
    wanted.user_labels["team"] = "shop"
    wanted.documentation.subject = "Slow again"
    updated = policies.UpdateAlertPolicy(
        update_policy(wanted, "user_labels.team", "user_label.old", "documentation.subject", "enabled")
    )
    assert dict(updated.user_labels) == {"team": "shop"}
    assert (updated.documentation.content, updated.documentation.subject) == ("Read me", "Slow again")
    assert updated.display_name == "Slow"
    assert updated.conditions == made.conditions


def test_a_listed_field_that_is_not_given_is_cleared(policies):
    message = policy()
    message.user_labels["a"] = "b"
    made = policies.CreateAlertPolicy(create_policy(message))
    updated = policies.UpdateAlertPolicy(update_policy(AlertPolicy(name=made.name), "user_labels"))
    assert not updated.user_labels


@pytest.mark.parametrize(
    "path", ["nonsense", "documentation.nonsense", "display_name.x", "conditions.filter", ""]
)
def test_masks_name_fields(policies, path):
    made = policies.CreateAlertPolicy(create_policy(policy()))
    with pytest.raises(RpcError, match="INVALID_ARGUMENT: Field update_mask"):
        policies.UpdateAlertPolicy(update_policy(made, path))


def test_an_update_is_checked_like_a_new_policy_and_changes_nothing_when_refused(policies):
    made = policies.CreateAlertPolicy(create_policy(policy()))
    with pytest.raises(RpcError, match="from one to 6"):
        policies.UpdateAlertPolicy(update_policy(AlertPolicy(name=made.name)))
    wanted = AlertPolicy()
    wanted.CopyFrom(made)
    wanted.conditions[0].name = f"{made.name}/conditions/unknown"
    with pytest.raises(RpcError, match="no such condition"):
        policies.UpdateAlertPolicy(update_policy(wanted))
    wanted.CopyFrom(made)
    wanted.conditions.add().CopyFrom(made.conditions[0])
    with pytest.raises(RpcError, match="It occurs twice"):
        policies.UpdateAlertPolicy(update_policy(wanted))
    assert get(policies, made.name) == made


@pytest.fixture
def several(policies):
    for name, team, size in (("Errors", "web", 2), ("Latency", "web", 5), ("CPU", "core", 9)):
        message = policy()
        message.display_name = name
        message.user_labels.update({"team": team, "size": str(size)})
        message.enabled.value = name != "CPU"
        policies.CreateAlertPolicy(create_policy(message))
    return policies


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ('user_labels.team = "web"', ["Errors", "Latency"]),
        ('user_labels.team="web" AND display_name="Latency"', ["Latency"]),
        ('display_name : "rr"', ["Errors"]),
        ('display_name = starts_with("C")', ["CPU"]),
        ('user_labels : "team"', ["Errors", "Latency", "CPU"]),
        ("user_labels.size > 4", ["Latency", "CPU"]),
        ("enabled = false", ["CPU"]),
        ('NOT user_label.team = "core"', ["Errors", "Latency"]),
        ('combiner = "OR"', ["Errors", "Latency", "CPU"]),
        ('documentation.content = "x"', []),
        ('severity = "CRITICAL"', []),
        ('name = starts_with("projects/demo/")', ["Errors", "Latency", "CPU"]),
    ],
)
def test_policies_are_filtered(several, where, expected):
    assert listed(several, filter=where)[0] == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("display_name", ["CPU", "Errors", "Latency"]),
        ("-display_name", ["Latency", "Errors", "CPU"]),
        ("user_labels.team, -display_name", ["CPU", "Latency", "Errors"]),
        ("display_name.size", ["CPU", "Errors", "Latency"]),
    ],
)
def test_policies_are_ordered(several, order, expected):
    assert listed(several, order_by=order)[0] == expected


def test_policies_are_paged(several):
    names, answer = listed(several, page_size=2)
    more, last = listed(several, page_size=2, page_token=answer.next_page_token)
    assert names + more == ["Errors", "Latency", "CPU"]
    assert not last.next_page_token
    assert answer.total_size == 3


@pytest.mark.parametrize("fields", [{"filter": "nonsense = 1"}, {"order_by": "nonsense"}, {"order_by": "=,"}])
def test_unknown_fields_in_filter_and_order_are_refused(several, fields):
    with pytest.raises(RpcError, match="INVALID_ARGUMENT"):
        listed(several, **fields)
