"""The monitored resource types that the emulator knows, their labels, and which take user-defined metrics.

The types and labels are those of Google's own OpenTelemetry mapping and of the public resource list. The
page that lists what user-defined metrics may be written against was seen by its title only: ``writable`` is
therefore a table to be corrected here, and the fidelity check of a real project says where it is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .messages import MonitoredResourceDescriptor


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One monitored resource type."""

    type: str
    display_name: str
    labels: tuple[str, ...]  # project_id is among them where the type has it
    writable: bool  # user-defined metrics may be written against it
    kind: str  # of our knowledge of ``writable``: "documented", "issue text" or "unverified"


def _of(rows: str) -> tuple[ResourceType, ...]:
    table = []
    for row in rows.strip().splitlines():
        name, display, labels, writable, kind = (cell.strip() for cell in row.split("|"))
        table.append(ResourceType(name, display, tuple(labels.split()), writable == "yes", kind))
    return tuple(table)


RESOURCE_TYPES = _of(
    """
    global                | Global                   | project_id                                                        | yes | documented
    generic_task          | Generic Task             | project_id location namespace job task_id                         | yes | documented
    generic_node          | Generic Node             | project_id location namespace node_id                             | yes | documented
    gce_instance          | VM Instance              | project_id instance_id zone                                       | yes | documented
    k8s_cluster           | Kubernetes Cluster       | project_id location cluster_name                                  | yes | documented
    k8s_node              | Kubernetes Node          | project_id location cluster_name node_name                        | yes | documented
    k8s_pod               | Kubernetes Pod           | project_id location cluster_name namespace_name pod_name          | yes | documented
    k8s_container         | Kubernetes Container     | project_id location cluster_name namespace_name pod_name container_name | yes | documented
    aws_ec2_instance      | Amazon EC2 Instance      | project_id instance_id region aws_account                         | yes | documented
    prometheus_target     | Prometheus Target        | project_id location cluster namespace job instance                | yes | issue text
    gke_container         | GKE Container            | project_id cluster_name namespace_id instance_id pod_id container_name zone | yes | unverified
    gae_instance          | GAE Instance             | project_id module_id version_id instance_id location              | yes | unverified
    dataflow_job          | Dataflow Job             | project_id job_name region                                        | yes | unverified
    cloud_run_revision    | Cloud Run Revision       | project_id service_name revision_name location configuration_name | no  | issue text
    cloud_run_job         | Cloud Run Job            | project_id job_name location                                      | no  | issue text
    cloud_run_worker_pool | Cloud Run Worker Pool    | project_id worker_pool_name revision_name location                | no  | unverified
    cloud_function        | Cloud Function           | project_id function_name region                                   | no  | unverified
    gae_app               | GAE Application          | project_id module_id version_id zone                              | no  | unverified
    cloudsql_database     | Cloud SQL Database       | project_id database_id region                                     | no  | unverified
    bigquery_project      | BigQuery Project         | project_id location                                               | no  | unverified
    pubsub_topic          | Pub/Sub Topic            | project_id topic_id                                               | no  | unverified
    pubsub_subscription   | Pub/Sub Subscription     | project_id subscription_id                                        | no  | unverified
    https_lb_rule         | HTTP(S) Load Balancer    | project_id url_map_name forwarding_rule_name target_proxy_name matched_url_path_rule backend_target_name backend_target_type backend_name backend_type backend_scope backend_scope_type region | no | unverified
    uptime_url            | Uptime Check URL         | project_id host                                                   | no  | unverified
    secretmanager.googleapis.com/Secret | Secret     | resource_container location secret_id                             | no  | unverified
    """  # noqa: E501  (one type a row)
)

BY_TYPE = {entry.type: entry for entry in RESOURCE_TYPES}

# A region, a zone, a multi-region or "global": the real service knows the list, we only the shape.
_LOCATION = re.compile(r"global|us|eu|asia|[a-z]{2,}(?:-[a-z]+)+-?\d+(?:-?[a-z])?")
_LOCATION_KEYS = ("location", "zone", "region")
# aws_ec2_instance has regions of the form aws:us-east-1.
_SHAPED = ("generic_task", "generic_node", "gce_instance", "k8s_", "prometheus_target")


def problem(resource_type: str, labels: Mapping[str, str]) -> str | None:
    """Why a user-defined metric is not written against this resource, or ``None``."""
    known = BY_TYPE.get(resource_type)
    if known is None:
        return f"Unrecognized resource type: {resource_type}."
    if not known.writable:
        return (
            f"Metrics cannot be written to {resource_type}. See "
            "https://cloud.google.com/monitoring/custom-metrics/creating-metrics#which-resource "
            "for a list of writable resource types."
        )
    return _labels_problem(known, labels)


def _labels_problem(known: ResourceType, labels: Mapping[str, str]) -> str | None:
    for key, value in labels.items():
        if key not in known.labels:
            return f"Unrecognized resource label: {key}"
        if len(value) > 1024:
            return f"The value of the resource label {key} must not be longer than 1024 characters."
    missing = [key for key in known.labels if key != "project_id" and key not in labels]
    if missing:
        return f"The set of resource labels is incomplete. Missing labels: ({' '.join(sorted(missing))})."
    if known.type.startswith(_SHAPED):
        for key in _LOCATION_KEYS:
            if key in known.labels and _LOCATION.fullmatch(labels[key]) is None:
                return "Unrecognized region or location."
    return None


def descriptor(project: str, entry: ResourceType) -> Any:
    """The entry as the protobuf message that the API answers with."""
    message = MonitoredResourceDescriptor(
        name=f"projects/{project}/monitoredResourceDescriptors/{entry.type}",
        type=entry.type,
        display_name=entry.display_name,
        description=f"{entry.display_name}, as the emulator knows it.",
    )
    for key in entry.labels:
        message.labels.add(key=key)
    return message
