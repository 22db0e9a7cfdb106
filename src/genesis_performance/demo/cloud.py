"""What the local Google Cloud holds, asked through the official clients and its REST and control API."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

from ..errors import CloudNotFoundError
from ..gcp import call, each
from ..gcp.rest import get

PROJECT = "demo-shop"
ACCESS = "google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion"
DURATION = "custom.googleapis.com/genesis.performance/operation/duration"


def create_secret(name: str, payload: str) -> None:
    """A secret with one version."""
    request = {
        "parent": f"projects/{PROJECT}",
        "secret_id": name,
        "secret": {"replication": {"automatic": {}}},
    }
    made = call("secret_manager", "create_secret", request)
    call("secret_manager", "add_secret_version", {"parent": made.name, "payload": {"data": payload.encode()}})


def plant_latency(http: str, method: str, delay_ms: float) -> None:
    """Make every call of ``method`` so much slower, until the emulator ends."""
    fault = {"method": method, "code": "OK", "times": None, "delay_ms": delay_ms}
    request = urllib.request.Request(
        f"http://{http}/control/faults",
        data=json.dumps(fault).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        response.read()


def calls(http: str) -> dict[str, int]:
    """Calls since the start, by method."""
    with urllib.request.urlopen(f"http://{http}/control/calls", timeout=10) as response:
        counted: dict[str, int] = json.load(response)
    return counted


def recorded_executions(service: str, since_s: float = 600) -> dict[str, int]:
    """Executions by operation, as the distributions in Cloud Monitoring count them."""
    now_s = int(time.time())
    request = {
        "name": f"projects/{PROJECT}",
        "filter": f'metric.type="{DURATION}" AND metric.labels.service="{service}"',
        "interval": {"start_time": {"seconds": int(now_s - since_s)}, "end_time": {"seconds": now_s + 1}},
        "view": "FULL",
    }
    counts: dict[str, int] = {}
    try:
        found = list(each("metrics", "list_time_series", request))
    except CloudNotFoundError:  # nothing was ever written
        return counts
    for series in found:
        operation = dict(series.metric.labels)["operation"]
        newest = series.points[0].value.distribution_value.count
        counts[operation] = counts.get(operation, 0) + int(newest)
    return counts


def policies() -> list[Any]:
    """The alert policies."""
    return list(each("alert_policies", "list_alert_policies", {"name": f"projects/{PROJECT}"}))


def incidents(operation: str) -> list[dict[str, Any]]:
    """The alerts (the API's word for incidents) of one operation, open and closed."""
    page = get("alert_policies", f"v3/projects/{PROJECT}/alerts", {"pageSize": "1000"})
    return [
        alert
        for alert in page.get("alerts", ())
        if alert.get("metric", {}).get("labels", {}).get("operation") == operation
    ]
