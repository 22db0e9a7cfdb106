"""google.monitoring.v3.AlertPolicyService, the evaluation of its policies, and the alerts that REST lists."""

from __future__ import annotations

from typing import Any

from google.cloud.monitoring_v3 import types

from ..rpc_error import RpcError
from . import names, pages, policy_rules, state
from .alerts import Alert, Alerts
from .conditions import Condition
from .evaluation import Watch, close_all, is_due, observe, settle
from .filters import compile_filter
from .masks import apply_mask
from .messages import AlertPolicy, Empty, ListAlertPoliciesResponse, set_ns
from .metric_service import MetricService
from .policy_fields import order_policies, policy_field

MAX_POLICIES = 500
MAX_PAGE = 1000
MUTATED_BY = "genesis-emulator@localhost"
_CHANNELS = "google.monitoring.v3.NotificationChannelService"


class Policy:
    """A stored policy and what is watched for it."""

    __slots__ = ("message", "watches")

    def __init__(self, message: Any, conditions: tuple[Condition, ...]) -> None:
        self.message = message
        self.watches = [Watch(condition) for condition in conditions]


class AlertPolicyService:
    """The emulated service. ``max_policies`` may be lowered by a test."""

    SERVICE = "google.monitoring.v3.AlertPolicyService"

    def __init__(self, cloud: Any) -> None:
        self._cloud = cloud
        self._policies: dict[str, dict[str, Policy]] = {}  # project -> name -> policy
        self._alerts: dict[str, Alerts] = {}
        self._made = 0
        self.max_policies = MAX_POLICIES

    def CreateAlertPolicy(self, request: Any, context: Any = None) -> Any:
        project = names.project_of(request.name)
        policy = AlertPolicy()
        policy.CopyFrom(request.alert_policy)
        if policy.name:
            raise RpcError(
                "INVALID_ARGUMENT",
                "Cannot set 'name' when creating alert policy. Tried to set to "
                f"'{names.short(policy.name)}'.",
            )
        for index, condition in enumerate(policy.conditions):
            if condition.name:
                raise names.invalid(
                    f"alert_policy.conditions[{index}].name",
                    condition.name,
                    "Cannot set 'name' when creating a condition.",
                )
        held = self._policies.setdefault(project, {})
        policy.name = f"projects/{project}/alertPolicies/{self._new_id()}"
        conditions = self._complete(policy, project)
        if len(held) >= self.max_policies:
            raise RpcError(
                "RESOURCE_EXHAUSTED",
                f"The project has reached its limit of {self.max_policies} alert policies.",
            )
        policy.ClearField("validity")
        self._stamp(policy.creation_record)
        self._stamp(policy.mutation_record)
        held[policy.name] = Policy(policy, conditions)
        return _copy(policy)

    def GetAlertPolicy(self, request: Any, context: Any = None) -> Any:
        return _copy(self._find(request.name)[1].message)

    def ListAlertPolicies(self, request: Any, context: Any = None) -> Any:
        project = names.project_of(request.name)
        found = [policy.message for policy in self._policies.get(project, {}).values()]
        if request.filter:
            selector = compile_filter(request.filter, policy_field)
            found = [message for message in found if selector.matches(message)]
        found = order_policies(found, request.order_by)
        page, next_token = pages.cut(
            found, request.page_size, request.page_token, pages.fingerprint(request), MAX_PAGE
        )
        return ListAlertPoliciesResponse(
            alert_policies=page, next_page_token=next_token, total_size=len(found)
        )

    def UpdateAlertPolicy(self, request: Any, context: Any = None) -> Any:
        project, held = self._find(request.alert_policy.name)
        wanted = AlertPolicy()
        if request.update_mask.paths:
            wanted.CopyFrom(held.message)
            apply_mask(request.update_mask.paths, request.alert_policy, wanted)
        else:
            wanted.CopyFrom(request.alert_policy)
        # What only the service may write stays as it was.
        wanted.name = held.message.name
        wanted.creation_record.CopyFrom(held.message.creation_record)
        wanted.ClearField("validity")
        existing = {condition.name for condition in held.message.conditions}
        for index, condition in enumerate(wanted.conditions):
            if condition.name and condition.name not in existing:
                raise names.invalid(
                    f"alert_policy.conditions[{index}].name",
                    condition.name,
                    "The policy has no such condition.",
                )
        conditions = self._complete(wanted, project)
        self._stamp(wanted.mutation_record)
        self._replace(project, held, wanted, conditions)
        return _copy(wanted)

    def DeleteAlertPolicy(self, request: Any, context: Any = None) -> Any:
        project, held = self._find(request.name)
        self._close(project, held.watches)
        del self._policies[project][request.name]
        return Empty()

    def list_alerts(
        self,
        parent: str,
        filter: str = "",  # noqa: A002  (the name of the REST parameter)
        page_size: int = 0,
        page_token: str = "",
        order_by: str = "",
    ) -> dict[str, Any]:
        """The JSON answer of ``GET v3/{parent}/alerts``.

        Raises:
            RpcError: an argument is wrong.
        """
        self.evaluate()
        return self._alerts_of(names.project_of(parent, "parent")).page(
            filter, page_size, page_token, order_by
        )

    def get_alert(self, name: str) -> Alert:
        """The JSON answer of ``GET v3/{name}``.

        Raises:
            RpcError: there is no such alert.
        """
        self.evaluate()
        project, _ = names.child_of(name, "alerts")
        return self._alerts_of(project).get(name)

    def inject_alert(self, alert: Alert) -> Alert:
        """Take in an alert that no policy opened; the evaluation leaves it alone.

        ``name`` (``projects/P/alerts/ID``) or ``parent`` (``projects/P``) says where; a name that exists is
        changed.

        Raises:
            RpcError: a field is unknown or of the wrong form.
        """
        given = dict(alert)
        parent = given.pop("parent", None)
        name = given.get("name")
        if isinstance(name, str):
            project, _ = names.child_of(name, "alerts")
        elif isinstance(parent, str):
            project = names.project_of(parent, "parent")
        else:
            raise RpcError(
                "INVALID_ARGUMENT", "An alert needs a name (projects/P/alerts/ID) or a parent (projects/P)."
            )
        return self._alerts_of(project).inject(given, self._cloud.clock.now_ns())

    def evaluate(self) -> None:
        """Open and close alerts as of now; cheap when nothing changed."""
        now_ns = self._cloud.clock.now_ns()
        metrics: MetricService = self._cloud.service(MetricService)
        for project, policies in self._policies.items():
            store = metrics.project(project).series
            for policy in policies.values():
                due = [watch for watch in policy.watches if is_due(watch, store, now_ns)]
                if not due or _is_disabled(policy.message):
                    continue
                for watch in due:
                    observe(watch, store, now_ns)
                settle(policy.message, policy.watches, self._alerts_of(project), now_ns)

    def dump(self) -> dict[str, Any]:
        return {
            "made": self._made,
            "alerts": {project: alerts.dump() for project, alerts in self._alerts.items()},
            "policies": {
                project: [state.dump_policy(policy.message, policy.watches) for policy in policies.values()]
                for project, policies in self._policies.items()
            },
        }

    def load(self, value: dict[str, Any]) -> None:
        """Take back what ``dump`` gave; the metrics that policies name must be there already."""
        self._made = int(value["made"])
        for project, alerts in value["alerts"].items():
            self._alerts_of(project).load(alerts)
        metrics = self._cloud.service(MetricService)
        for project, policies in value["policies"].items():
            held = self._policies.setdefault(project, {})
            for content in policies:
                message = state.load_policy(content)
                try:
                    conditions = policy_rules.check(message, project, metrics)
                except RpcError:  # its metric was deleted since: as there, it stays and opens nothing
                    conditions = ()
                policy = Policy(message, conditions)
                state.load_watches(content, policy.watches, self._alerts_of(project))
                held[message.name] = policy

    def _complete(self, policy: Any, project: str) -> tuple[Condition, ...]:
        """Name the conditions, fill in defaults and check everything."""
        if not policy.HasField("enabled"):
            policy.enabled.value = True
        if policy.documentation.content and not policy.documentation.mime_type:
            policy.documentation.mime_type = "text/markdown"
        seen: set[str] = set()
        for index, condition in enumerate(policy.conditions):
            condition.name = condition.name or f"{policy.name}/conditions/{self._new_id()}"
            if condition.name in seen:
                raise names.invalid(
                    f"alert_policy.conditions[{index}].name", condition.name, "It occurs twice."
                )
            seen.add(condition.name)
        conditions = policy_rules.check(policy, project, self._cloud.service(MetricService))
        self._check_channels(policy.notification_channels)
        return conditions

    def _check_channels(self, channels: Any) -> None:
        """Look every channel up where the channel service is emulated too."""
        service = self._cloud.services.get(_CHANNELS)
        look_up = getattr(service, "GetNotificationChannel", None)
        for index, channel in enumerate(channels):
            names.child_of(channel, "notificationChannels")
            if look_up is None:
                continue
            try:
                look_up(types.GetNotificationChannelRequest.pb()(name=channel))
            except RpcError as error:
                raise names.invalid(
                    f"alert_policy.notification_channels[{index}]", channel, "The channel does not exist."
                ) from error

    def _replace(self, project: str, held: Policy, wanted: Any, conditions: tuple[Condition, ...]) -> None:
        kept = {watch.condition.name: watch for watch in held.watches}
        watches = []
        for condition in conditions:
            watch = kept.pop(condition.name, None) or Watch(condition)
            watch.change(condition)
            watches.append(watch)
        self._close(project, list(kept.values()))
        if _is_disabled(wanted):
            self._close(project, watches)
        held.message, held.watches = wanted, watches

    def _close(self, project: str, watches: list[Watch]) -> None:
        for watch in watches:
            close_all(watch, self._alerts_of(project), self._cloud.clock.now_ns())

    def _alerts_of(self, project: str) -> Alerts:
        found = self._alerts.get(project)
        if found is None:
            found = self._alerts[project] = Alerts(project)
        return found

    def _find(self, name: str) -> tuple[str, Policy]:
        project, _ = names.child_of(name, "alertPolicies")
        policy = self._policies.get(project, {}).get(name)
        if policy is None:
            raise names.not_found(name)
        return project, policy

    def _new_id(self) -> str:
        self._made += 1
        return str(1_000_000_000_000_000_000 + self._made)

    def _stamp(self, record: Any) -> None:
        set_ns(record.mutate_time, self._cloud.clock.now_ns())
        record.mutated_by = MUTATED_BY


def _is_disabled(policy: Any) -> bool:
    return policy.HasField("enabled") and not policy.enabled.value


def _copy(message: Any) -> Any:
    answer = AlertPolicy()
    answer.CopyFrom(message)
    return answer
