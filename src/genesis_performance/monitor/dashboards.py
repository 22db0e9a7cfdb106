"""The dashboard of a service: as a value, as JSON and Terraform, and in Cloud Monitoring.

Ours are found by their labels; others are never changed or deleted, whatever their name.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import CloudConflictError, CloudNotFoundError, ConfigurationError
from ..model.alert import PerformanceAlert
from .alerts import alert_name, place, slo_name
from .dashboard_widgets import Charts, mosaic
from .naming import Naming
from .objectives import check_objective
from .policy import DEFINITION_LABEL, MANAGED_BY, label_of
from .terraform import commented, jsonencode, resource

log = logging.getLogger(__name__)

DASHBOARD_LABEL = "genesis_dashboard"
KIND = "dashboard"


@dataclasses.dataclass(frozen=True, slots=True)
class PerformanceDashboard:
    """The dashboard of one service and environment."""

    name: str  # stable id: "my-service-dashboard-production"
    body: Mapping[str, Any]  # as the REST API takes it
    resource_name: str | None = None  # projects/P/dashboards/ID once created
    slo: str | None = None  # an objective that it draws

    @property
    def display_name(self) -> str:
        return str(self.body["displayName"])

    @property
    def url(self) -> str | None:
        """Where the console shows it; None before it is created."""
        if self.resource_name is None:
            return None
        project, _, id_ = self.resource_name.removeprefix("projects/").partition("/dashboards/")
        return f"https://console.cloud.google.com/monitoring/dashboards/builder/{id_}?project={project}"

    def to_json(self) -> str:
        """What ``gcloud monitoring dashboards create --config-from-file`` takes."""
        return json.dumps(self.body, indent=2, ensure_ascii=False)

    def to_terraform(self) -> str:
        """A ``google_monitoring_dashboard``; a comment says where its series may be missing."""
        body = {"dashboard_json": jsonencode(self.body)}
        said = resource("google_monitoring_dashboard", self.name, body, prefix=KIND)
        return commented(Naming.configured("").doubt) + said

    def applied(self, project: str | None) -> PerformanceDashboard:
        """Created in Cloud Monitoring, or brought up to date there.

        Raises:
            ConfigurationError: there is no project.
            CloudError: Cloud Monitoring refused it.
        """
        if not project:
            raise ConfigurationError(
                "apply is 'api' and there is no project; set GOOGLE_CLOUD_PROJECT, give gcp_project_id, or "
                "use apply='plan'"
            )
        if self.slo:
            check_objective(self.slo)
        return dataclasses.replace(self, resource_name=CloudDashboards(project).apply(self))


def performance_dashboard(
    service_name: str,
    environment: str,
    *,
    prefix: str,
    alerts: Iterable[PerformanceAlert] = (),
    slo: str | None = None,
) -> PerformanceDashboard:
    """The dashboard of a service.

    Args:
        alerts: their thresholds are drawn, those of other services are left out.
        slo: an objective in Cloud Monitoring, ``projects/P/services/S/serviceLevelObjectives/O``.

    Raises:
        InvalidInputError: a name can not be one.
    """
    service, environment = place(service_name, environment)
    charts = Charts(service, environment, prefix, alerts, slo_name(slo))
    name = alert_name(service, KIND, environment)
    body: dict[str, Any] = {
        "displayName": f"{service}: performance, {environment}",
        "mosaicLayout": mosaic(charts.widgets()),
        "labels": {MANAGED_BY[0]: MANAGED_BY[1], DASHBOARD_LABEL: label_of(name)},
    }
    body["labels"][DEFINITION_LABEL] = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[
        :16
    ]
    return PerformanceDashboard(name, body, slo=slo)


class CloudDashboards:
    """Our dashboards in one project."""

    def __init__(self, project: str) -> None:
        self.project = project

    def apply(self, wanted: PerformanceDashboard) -> str:
        """Create the dashboard, or bring ours up to date; return its resource name.

        Raises:
            CloudError: Cloud Monitoring refused it.
        """
        from ..gcp.calling import call

        existing = self.find(wanted)
        if existing is not None:
            return self._updated(existing, wanted)
        request = {"parent": f"projects/{self.project}", "dashboard": _message(wanted)}
        created = str(call("dashboards", "create_dashboard", request).name)
        log.info("dashboard %s (%s) created", wanted.display_name, created)
        # Of two processes that create it at the same moment, whoever looks last leaves one. Both judge by one
        # look each: with two looks each could keep what the other deletes.
        named = self._named(wanted)
        kept = _first(named)
        for one in named:
            if one is not kept:
                self.delete(str(one.name))
        return created if kept is None else str(kept.name)

    def find(self, wanted: PerformanceDashboard) -> Any | None:
        """Ours of this service and environment; the first by name, should there be several."""
        return _first(self._named(wanted))

    def _named(self, wanted: PerformanceDashboard) -> list[Any]:
        label = wanted.body["labels"][DASHBOARD_LABEL]
        return [one for one in self.ours() if dict(one.labels).get(DASHBOARD_LABEL) == label]

    def ours(self) -> list[Any]:
        """Every dashboard that carries our ownership label."""
        from ..gcp.calling import each

        # This list method has no filter.
        found = each("dashboards", "list_dashboards", {"parent": f"projects/{self.project}"})
        return [one for one in found if dict(one.labels).get(MANAGED_BY[0]) == MANAGED_BY[1]]

    def delete(self, name: str) -> bool:
        """Delete a dashboard of ours; False when it is gone already or not ours."""
        from ..gcp.calling import call

        if name not in {one.name for one in self.ours()}:
            return False
        try:
            call("dashboards", "delete_dashboard", {"name": name}, retry=True)
        except CloudNotFoundError:
            return False
        return True

    def _updated(self, existing: Any, wanted: PerformanceDashboard, *, may_retry: bool = True) -> str:
        from ..gcp.calling import call

        if dict(existing.labels).get(DEFINITION_LABEL) == wanted.body["labels"][DEFINITION_LABEL]:
            return str(existing.name)
        message = {**_message(wanted), "name": existing.name, "etag": existing.etag}
        try:
            call("dashboards", "update_dashboard", {"dashboard": message})
        except CloudConflictError:
            # Somebody changed it since it was read: look once more, and then it is theirs to say.
            newest = self.find(wanted) if may_retry else None
            if newest is None:
                raise
            return self._updated(newest, wanted, may_retry=False)
        log.info("dashboard %s (%s) updated", wanted.display_name, existing.name)
        return str(existing.name)


def _first(named: Iterable[Any]) -> Any | None:
    return min(named, key=lambda one: str(one.name), default=None)


def _message(wanted: PerformanceDashboard) -> dict[str, Any]:
    """The body as Google's client takes it: its names of fields, and durations as messages."""
    made: dict[str, Any] = _plain(wanted.body)
    return {**made, "labels": dict(wanted.body["labels"])}


def _plain(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {
            _CAPITAL.sub(lambda found: f"_{found[0].lower()}", k): _plain(one, k) for k, one in value.items()
        }
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return {"seconds": int(value.removesuffix("s"))} if key.endswith("lignmentPeriod") else value


_CAPITAL = re.compile("[A-Z]")
