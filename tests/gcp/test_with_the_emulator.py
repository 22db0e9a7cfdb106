"""The door against the emulator: our calls, Google's own clients, the official wire protocol."""

from __future__ import annotations

import time

import pytest

from genesis_performance import config, gcp
from genesis_performance.errors import CloudError, CloudNotFoundError, CloudUnimplementedError
from genesis_performance.gcp import rest

NAME = "projects/p"
METRIC = "custom.googleapis.com/genesis/test"


@pytest.fixture(autouse=True)
def emulator(genesis_emulator):
    config.reset()
    return genesis_emulator


def points(*labels: str) -> dict:
    now = int(time.time())
    return {
        "name": NAME,
        "time_series": [
            {
                "metric": {"type": METRIC, "labels": {"which": label}},
                "resource": {"type": "global", "labels": {"project_id": "p"}},
                "points": [{"interval": {"end_time": {"seconds": now}}, "value": {"double_value": 1.5}}],
            }
            for label in labels
        ],
    }


def test_points_are_written_and_read_back():
    gcp.call("metrics", "create_time_series", points("a", "b"))
    found = gcp.each(
        "metrics",
        "list_time_series",
        {
            "name": NAME,
            "filter": f'metric.type = "{METRIC}"',
            "interval": {
                "start_time": {"seconds": int(time.time()) - 60},
                "end_time": {"seconds": int(time.time()) + 60},
            },
            "page_size": 1,
        },
    )
    assert sorted(series.metric.labels["which"] for series in found) == ["a", "b"]


async def test_points_are_written_on_an_event_loop():
    await gcp.acall("metrics", "create_time_series", points("a"))


def test_a_partial_failure_says_how_many_points_were_written():
    gcp.call("metrics", "create_time_series", points("a"))
    with pytest.raises(CloudError) as caught:
        gcp.call("metrics", "create_time_series", points("a", "b"))
    (summary,) = [d for d in caught.value.details if hasattr(d, "success_point_count")]
    assert (summary.total_point_count, summary.success_point_count) == (2, 1)


def test_alerts_are_listed_over_rest():
    assert rest.get("metrics", "v3/projects/p/alerts").get("alerts", []) == []
    with pytest.raises(CloudNotFoundError):
        rest.get("metrics", "v3/projects/p/alerts/nowhere")


def test_what_is_not_emulated_says_so():
    with pytest.raises(CloudUnimplementedError, match="not emulated"):
        gcp.call("cloud_billing", "create_billing_account", {"billing_account": {"display_name": "x"}})
