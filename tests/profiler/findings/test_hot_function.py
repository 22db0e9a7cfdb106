"""A function of the host that uses much of the CPU is found; its share must be sure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.profiler.findings.hot_function import wilson_low


def profile(
    sessions, hot_samples: int, all_samples: int, *, duration_s: float = 10.0, file: str = "/srv/a.py"
):  # type: ignore[no-untyped-def]
    hot = (sessions.frame("main"), sessions.frame("mix", file, 8))
    others = [
        sessions.seen((sessions.frame("main"), sessions.frame(f"f{i}")), 1, 10, 10)
        for i in range(all_samples - hot_samples)
    ]
    return sessions.stacks(
        sessions.seen(hot, hot_samples, hot_samples * 10, hot_samples * 10), *others, duration_s=duration_s
    )


def test_a_large_share_is_found_at_the_hottest_line(sessions, found) -> None:
    (finding,) = found("profiler/hot-function", stacks=profile(sessions, 120, 300))
    assert (finding.resource, finding.file, finding.line) == ("mix", "/srv/a.py", 8)
    assert "1.20 s of 3.00 s CPU" in finding.reason


def test_a_share_that_chance_may_have_made_is_not(sessions, found) -> None:
    assert not found("profiler/hot-function", stacks=profile(sessions, 80, 300))


def test_fewer_than_a_hundred_samples_are_too_few(sessions, found) -> None:
    assert not found("profiler/hot-function", stacks=profile(sessions, 90, 99))


def test_nothing_is_hot_in_an_idle_process(sessions, found) -> None:
    assert not found("profiler/hot-function", stacks=profile(sessions, 200, 300, duration_s=60))


def test_a_library_is_not_the_hosts_own_code(sessions, found) -> None:
    stacks = profile(sessions, 250, 300, file="/venv/lib/python3.11/site-packages/lib/x.py")
    assert not found("profiler/hot-function", stacks=stacks)


def test_samples_without_cpu_prove_nothing(sessions, found) -> None:
    asleep = sessions.seen((sessions.frame("wait"),), 1000, 0, 10_000, "worker")
    busy = sessions.seen((sessions.frame("main"),), 50, 2000, 2000)
    assert not found("profiler/hot-function", stacks=sessions.stacks(asleep, busy))


@given(st.integers(1, 10_000), st.data())
def test_the_lower_bound_lies_below_the_share(samples: int, data: st.DataObject) -> None:
    share = data.draw(st.integers(0, samples)) / samples
    assert -1e-12 <= wilson_low(share, samples) <= share + 1e-12


@pytest.mark.parametrize(("hits", "samples"), [(15, 50), (0, 10), (10, 10), (300, 1000)])
def test_the_lower_bound_is_that_of_scipy(hits: int, samples: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.binomtest(hits, samples).proportion_ci(confidence_level=0.95, method="wilson").low
    assert wilson_low(hits / samples, samples) == pytest.approx(theirs, abs=1e-5)
