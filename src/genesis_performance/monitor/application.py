"""Put an alert where its mode says: into Cloud Monitoring, into Terraform text, or nowhere but here."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable

from ..errors import ConfigurationError
from ..export.catalog import (
    CPU_UTILIZATION,
    ENVIRONMENT,
    MEMORY_BYTES,
    OPERATION,
    OPERATION_COUNT,
    OPERATION_DURATION,
    SERVICE,
    STATUS,
)
from ..export.clock import Clock
from ..model.alert import ApplyMode, PerformanceAlert
from ..model.series import Metric
from .cloud_policies import CloudPolicies
from .first_points import send_first_points
from .kinds import kind_of
from .naming import Naming
from .objectives import check_objective
from .policy import policy, terraform

log = logging.getLogger(__name__)

_PROCESS = frozenset({SERVICE, ENVIRONMENT})
_OPERATION = _PROCESS | {OPERATION}
LABELS_OF = {
    OPERATION_DURATION.name: _OPERATION,
    OPERATION_COUNT.name: _OPERATION | {STATUS},
    CPU_UTILIZATION.name: _PROCESS,
    MEMORY_BYTES.name: _PROCESS,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """Who hears that making a policy has to wait, and who may end the wait."""

    tell: Callable[[str], object] | None = None
    ended: threading.Event = dataclasses.field(default_factory=threading.Event)

    def say(self, text: str) -> None:
        log.warning("%s", text)
        if self.tell is not None:
            self.tell(text)


def apply(
    alert: PerformanceAlert,
    *,
    project: str | None,
    prefix: str,
    also: tuple[Metric, frozenset[str]] | None,
    clock: Clock,
    wait_s: float,
    progress: Progress,
) -> PerformanceAlert:
    """The alert with its resource name or its Terraform text.

    Args:
        also: a recorded metric that the condition looks at too, with its label keys.
        wait_s: for a metric that alerting does not know yet.
        progress: of that wait.

    Raises:
        ConfigurationError: mode ``api`` without a project.
        CloudError: Cloud Monitoring refused it.
    """
    made = policy(alert, prefix, also_recorded=also is not None)
    if alert.apply is ApplyMode.PLAN:
        return dataclasses.replace(alert, terraform=terraform(alert, made), labels=made["user_labels"])
    if alert.apply is ApplyMode.LOCAL:
        return alert
    if not project:
        raise ConfigurationError(
            "apply is 'api' and there is no project; set GOOGLE_CLOUD_PROJECT, give gcp_project_id, or use "
            "apply='plan' or 'local'"
        )
    if alert.slo:
        check_objective(alert.slo)
    naming = Naming.configured(prefix)
    if naming.doubt:
        log.warning("alert %s: %s", alert.name, naming.doubt)
    policies = _policies(project, clock, progress)
    metric = kind_of(alert).metric
    needed = [(metric, LABELS_OF[metric.name]), *([also] if also else [])]

    def make_known() -> None:
        send_first_points(needed, project, prefix, clock)

    if not naming.is_otlp:
        policies.describe(prefix, needed)
    name = policies.apply(made, timeout_s=wait_s, make_known=make_known if naming.is_otlp else None)
    return dataclasses.replace(alert, resource_name=name, labels=made["user_labels"])


def withdraw(alert: PerformanceAlert, *, clock: Clock) -> None:
    """Delete the alert's policy, if it has one in Cloud Monitoring.

    Raises:
        CloudError: Cloud Monitoring refused it.
    """
    if alert.resource_name:
        _policies(alert.resource_name.split("/")[1], clock, Progress()).delete(alert.resource_name)


def _policies(project: str, clock: Clock, progress: Progress) -> CloudPolicies:
    return CloudPolicies(
        project,
        monotonic=clock.monotonic,
        sleep=lambda seconds: clock.wait(progress.ended, seconds),
        say=progress.say,
    )
