"""An operation that mostly waits is found at the line that it waits at."""

from typing import Any

import pytest


def waiting(sessions, **changed: Any) -> dict[str, Any]:  # type: ignore[no-untyped-def]
    """Ten executions of 100 ms with 5 ms CPU each; most of the wait is at line 31."""
    recv = sessions.frame("SSLSocket.recv", "/usr/lib/python3.11/ssl.py", 1263)
    query, log = sessions.frame("query", "/srv/app/db.py", 31), sessions.frame("log", "/srv/app/db.py", 90)
    return {
        "operations": (sessions.operation("checkout", cpu_ms=5.0),),
        "stacks": sessions.stacks(
            sessions.seen((sessions.frame("view"), query, recv), 85, 30, 850, operation="checkout"),
            sessions.seen((sessions.frame("view"), log), 10, 0, 100, operation="checkout"),
            sessions.seen((sessions.frame("view"),), 5, 20, 50, operation="checkout"),
            sessions.seen((sessions.frame("idle", line=1),), 900, 0, 9_000),
        ),
        **changed,
    }


def test_the_line_that_most_of_the_waiting_is_at_is_named(sessions, found) -> None:
    (finding,) = found("profiler/io-bound", **waiting(sessions))
    assert (finding.resource, finding.file, finding.line) == ("checkout", "/srv/app/db.py", 31)
    assert finding.title == "checkout mostly waits for the network"
    assert "5.00 ms CPU in 100.00 ms wall time" in finding.reason


def test_an_operation_that_computes_is_not(sessions, found) -> None:
    operations = (sessions.operation("checkout", cpu_ms=30.0),)
    assert not found("profiler/io-bound", **waiting(sessions, operations=operations))


def test_without_cpu_time_of_the_operation_its_stacks_tell(sessions, found) -> None:
    operations = (sessions.operation("checkout"),)  # spans an await: its CPU time can not be known
    (finding,) = found("profiler/io-bound", **waiting(sessions, operations=operations))
    assert finding.evidence[1].value == pytest.approx(5.0)


def test_stacks_that_compute_clear_an_operation_without_cpu_time(sessions, found) -> None:
    stacks = sessions.stacks(sessions.seen((sessions.frame("view"),), 100, 900, 1_000, operation="checkout"))
    operations = (sessions.operation("checkout"),)
    assert not found("profiler/io-bound", operations=operations, stacks=stacks)


def test_the_wait_of_a_nested_operation_is_not_its_parents(sessions, found) -> None:
    operations = (
        sessions.operation("request", mean_ms=105, cpu_ms=5.0),
        sessions.operation("checkout", cpu_ms=5.0),
    )
    named = [
        finding.resource for finding in found("profiler/io-bound", **waiting(sessions, operations=operations))
    ]
    assert named == ["checkout"]


def test_few_executions_are_too_few(sessions, found) -> None:
    operations = (sessions.operation("checkout", count=4, mean_ms=250, cpu_ms=5.0),)
    assert not found("profiler/io-bound", **waiting(sessions, operations=operations))


def test_few_samples_are_too_few(sessions, found) -> None:
    stacks = sessions.stacks(sessions.seen((sessions.frame("view"),), 19, 0, 1_000, operation="checkout"))
    assert not found("profiler/io-bound", **waiting(sessions, stacks=stacks))


def test_waiting_for_the_gil_or_a_core_is_not_waiting_for_io(sessions, found) -> None:
    parts = waiting(sessions)
    seen = [
        sessions.seen((sessions.frame("compute"),), 1000, 1_000, 10_000, f"worker-{index}", "checkout")
        for index in range(10)
    ]
    parts["stacks"] = sessions.stacks(*seen)
    assert len(found("profiler/io-bound", **parts, resources=sessions.resources(cpu_percent=10.0))) == 1
    assert not found("profiler/io-bound", **parts, resources=sessions.resources(cpu_percent=100.0))
