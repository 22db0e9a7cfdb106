"""What people report of other exporters, where no test of a part shows it yet; and that the list is true."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from .conftest import World

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "complaints.md"
REFERENCE = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_label_values_that_become_the_same_are_one_series_and_no_duplicate(world: World) -> None:
    monitor = world.monitor()
    for user in ("jane@example.com", "joe@example.com", "8c1f5a0e-1df4-4d6c-9d5e-0a1b2c3d4e5f"):
        monitor.counter("orders", {"user": user}).add(1)
        monitor.counter("orders", {"user": user}).add(1)
    world.deliver(monitor)
    assert {one.metric.labels["user"] for one in world.series("orders")} == {"{email}", "{id}"}
    assert world.total("orders") == 6
    assert monitor.health()["rejected_points"] == {}


def test_the_type_of_a_metric_does_not_hang_on_its_first_value(world: World) -> None:
    monitor = world.monitor()
    monitor.counter("orders").add(1)
    world.deliver(monitor)
    monitor.counter("orders").add(0.5)
    monitor.counter("orders", {"shop": "x"}).add(2)
    world.deliver(monitor)
    assert world.total("orders") == 3.5
    assert monitor.health()["rejected_points"] == {}


def test_values_of_every_size_fit_into_the_buckets_that_a_distribution_may_have(world: World) -> None:
    monitor = world.monitor()
    values = [mantissa * 10.0**exponent for exponent in range(-6, 12) for mantissa in range(1, 10)]
    for value in (0.0, -5.0, *values):
        monitor.record_performance_metric("size", value)
    world.deliver(monitor)
    (series,) = world.series("size", "histogram")
    distribution = series.points[0].value.distribution_value
    assert distribution.count == len(values) + 2
    assert len(distribution.bucket_counts) <= 200
    assert monitor.health()["rejected_points"] == {}


def test_an_internal_error_right_after_a_descriptor_was_made_loses_nothing(google: World) -> None:
    monitor = google.monitor()
    monitor.counter("orders").add(3)
    google.cloud.fail(google.write, "INTERNAL", times=3)
    google.deliver(monitor)
    assert google.total("orders") == 3


def test_two_instances_of_a_service_do_not_write_into_each_others_series(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two machines, which do not share a folder."""
    for folder, amount in (("one", 3), ("two", 4)):
        monkeypatch.setenv("GENESIS_PERF__MONITORING__BUFFER_DIR", str(tmp_path / folder))
        world.forget_settings()
        monitor = world.monitor()
        monitor.counter("orders").add(amount)
        world.deliver(monitor)
        assert monitor.health()["rejected_points"] == {}
    assert len(world.series("orders")) == 2
    assert world.total("orders") == 7


def references() -> list[tuple[str, str]]:
    return sorted(set(REFERENCE.findall(PAGE.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(("file", "name"), references())
def test_the_list_of_complaints_names_tests_that_there_are(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_complaint_has_a_test_or_says_that_it_is_ours_too() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    complaints = [row for row in rows if not row.startswith(("| reported", "| fault |"))]
    assert len(complaints) >= 25
    for row in complaints:
        assert REFERENCE.search(row) or "**ours too**" in row, row
