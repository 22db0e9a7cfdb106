"""Waiting for the GIL is said only where four measurements agree."""

from typing import Any

import pytest


def contended(sessions, threads: int = 2, **changed: Any) -> dict[str, Any]:  # type: ignore[no-untyped-def]
    """Threads that share one core for ten seconds, each at its own line."""
    seen = [
        sessions.seen(
            (sessions.frame("run"), sessions.frame("compute", line=100 + index)),
            1000,
            10_000 / threads,
            10_000,
            f"worker-{index}",
        )
        for index in range(threads)
    ]
    return {
        "stacks": sessions.stacks(*seen),
        "resources": sessions.resources(cpu_percent=101.0, changes_per_s=6000),
        "sampler": sessions.sampler(late_us=250),
        **changed,
    }


@pytest.mark.parametrize("threads", [2, 4, 16])
def test_threads_that_share_one_core_are_found(sessions, found, threads: int) -> None:
    (finding,) = found("profiler/gil-contention", **contended(sessions, threads))
    assert finding.title == f"{threads} threads wait for the GIL"
    assert finding.evidence[0].value == pytest.approx(10 * (threads - 1), rel=1e-6)
    assert finding.file == "/srv/app/shop.py"
    assert finding.line in range(100, 100 + threads)


def test_one_busy_thread_beside_one_that_sleeps_is_not(sessions, found) -> None:
    stacks = sessions.stacks(
        sessions.seen((sessions.frame("compute"),), 1000, 9_900, 10_000, "worker"),
        sessions.seen((sessions.frame("wait"),), 1000, 5, 10_000, "MainThread"),
    )
    assert not found("profiler/gil-contention", **contended(sessions, stacks=stacks))


def test_threads_that_run_one_after_the_other_are_not(sessions, found) -> None:
    stacks = sessions.stacks(
        sessions.seen((sessions.frame("compute"),), 500, 4_950, 5_000, "first"),
        sessions.seen((sessions.frame("compute"),), 500, 4_950, 5_000, "second"),
    )
    assert not found("profiler/gil-contention", **contended(sessions, stacks=stacks))


def test_code_that_releases_the_gil_uses_more_than_a_core_and_is_not(sessions, found) -> None:
    resources = sessions.resources(cpu_percent=190.0, changes_per_s=6000)
    assert not found("profiler/gil-contention", **contended(sessions, resources=resources))


def test_a_sampler_that_comes_in_time_found_the_gil_free(sessions, found) -> None:
    sampler = sessions.sampler(late_us=60)
    assert not found("profiler/gil-contention", **contended(sessions, sampler=sampler))


def test_threads_that_are_not_made_to_give_way_wait_for_the_cpu(sessions, found) -> None:
    resources = sessions.resources(cpu_percent=101.0, changes_per_s=500)  # two that hash, others at the cores
    assert not found("profiler/gil-contention", **contended(sessions, resources=resources))


def test_the_usual_switch_interval_is_no_evidence(sessions, found) -> None:
    sampler = sessions.sampler(late_us=9000, switch_interval_s=0.005)
    assert not found("profiler/gil-contention", **contended(sessions, sampler=sampler))


def test_threads_that_wait_for_each_others_work_do_not_wait_for_the_gil(sessions, found) -> None:
    get = sessions.frame("Queue.get", "/usr/lib/python3.11/queue.py", 171)
    wait = sessions.frame("Condition.wait", "/usr/lib/python3.11/threading.py", 327)
    seen = [
        sessions.seen((sessions.frame("run"), get, wait), 1000, 5_000, 10_000, f"worker-{index}")
        for index in (0, 1)
    ]
    assert not found("profiler/gil-contention", **contended(sessions, stacks=sessions.stacks(*seen)))


def test_a_process_with_one_core_may_wait_for_the_core(sessions, found) -> None:
    assert not found("profiler/gil-contention", **contended(sessions, cpu_count=1.0))


def test_other_processes_that_take_the_cpu_are_no_contention(sessions, found) -> None:
    resources = sessions.resources(cpu_percent=60.0, changes_per_s=6000)
    assert not found("profiler/gil-contention", **contended(sessions, resources=resources))


def test_a_burst_of_less_than_a_second_is_not(sessions, found) -> None:
    samples = sessions.resources((1,) * 2, cpu_percent=101.0, changes_per_s=6000)
    assert not found("profiler/gil-contention", **contended(sessions, resources=samples))


def test_contention_in_a_part_of_the_session_is_found(sessions, found) -> None:
    from dataclasses import replace

    # Four of ten seconds at one core: the sampler waits in those only.
    resources = tuple(
        sample if index < 9 else replace(sample, cpu_percent=2.0)
        for index, sample in enumerate(sessions.resources(cpu_percent=101.0, changes_per_s=6000))
    )
    seen = [
        sessions.seen((sessions.frame("compute"),), 400, 2_000, 4_000, f"worker-{index}") for index in (0, 1)
    ]
    parts = contended(
        sessions,
        resources=resources,
        stacks=sessions.stacks(*seen),
        sampler=sessions.sampler(late_us=90),
    )
    assert len(found("profiler/gil-contention", **parts)) == 1


def test_a_session_without_a_sampler_is_not_judged(sessions, found) -> None:
    assert not found("profiler/gil-contention", **contended(sessions, sampler=None))
