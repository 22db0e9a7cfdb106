"""The shared sampling thread: its rate, the switch interval, its end, forks."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.operations import tracking
from genesis_performance.profiler import sampling_thread
from genesis_performance.profiler.sampling_thread import MAX_PERIOD_NS, SamplingThread
from genesis_performance.profiler.stack_sampler import MISSED, StackSampler
from genesis_performance.profiler.switch_interval import LONGEST_S, SHORTEST_S, SwitchInterval

FORKS = "ignore:This process:DeprecationWarning"  # Python 3.12 warns where others' threads run

ComputeFor = Callable[[int], None]

HOST_S = 0.0049  # not the interpreter's own, so that one put back is told from one left alone


@pytest.fixture(autouse=True)
def host_interval() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(HOST_S)
    yield
    sys.setswitchinterval(before)


def is_hosts() -> bool:
    return abs(sys.getswitchinterval() - HOST_S) < 1e-6


class TestSwitchInterval:
    def test_it_is_short_while_held_and_the_hosts_afterwards(self) -> None:
        interval = SwitchInterval()
        interval.hold()
        assert sys.getswitchinterval() <= LONGEST_S + 1e-6
        interval.release()
        assert is_hosts()

    def test_what_the_host_sets_meanwhile_stays(self) -> None:
        interval = SwitchInterval()
        interval.hold()
        sys.setswitchinterval(0.003)
        interval.adjust(1, 0.1)
        interval.release()
        assert sys.getswitchinterval() == pytest.approx(0.003)
        assert interval.changed_by_host

    def test_a_shorter_one_of_the_hosts_is_left(self) -> None:
        sys.setswitchinterval(0.00001)
        interval = SwitchInterval()
        interval.hold()
        assert sys.getswitchinterval() == pytest.approx(0.00001)
        interval.release()
        assert sys.getswitchinterval() == pytest.approx(0.00001)

    def test_releasing_what_is_not_held_changes_nothing(self) -> None:
        SwitchInterval().release()
        assert is_hosts()

    def test_after_the_release_a_late_sample_can_not_shorten_it_again(self) -> None:
        interval = SwitchInterval()
        interval.hold()
        interval.release()
        interval.adjust(1, 0.1)
        assert is_hosts()

    @given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 5)), max_size=200))
    def test_it_stays_within_its_bounds_and_long_while_threads_compete(
        self, found: list[tuple[int, float]]
    ) -> None:
        interval = SwitchInterval()
        interval.hold()
        for busy, spent in found:
            interval.adjust(busy, spent)
            assert SHORTEST_S - 2e-6 <= sys.getswitchinterval() <= LONGEST_S + 2e-6
            if busy > 1:
                assert sys.getswitchinterval() == pytest.approx(LONGEST_S)
        interval.release()

    def test_it_gets_longer_while_samples_cost_too_much_and_shorter_again(self) -> None:
        interval = SwitchInterval()
        interval.hold()
        for _ in range(200):
            interval.adjust(1, 3.0)
        assert sys.getswitchinterval() == pytest.approx(LONGEST_S)
        for _ in range(200):
            interval.adjust(1, 0.2)
        assert sys.getswitchinterval() == pytest.approx(SHORTEST_S)
        interval.release()


class Watching:
    """A session that only asks."""

    def __init__(self, rate_hz: float = 100.0, budget_percent: float = 1.0) -> None:
        self.rate_hz = rate_hz
        self.budget_percent = budget_percent
        self.high_fidelity = False
        self.worst_late_ns = 0

    def block_ended(self, held: object, table: object) -> None: ...


class TestRate:
    def spent(self, watching: Watching, costs_ns: list[int]) -> SamplingThread:
        sampling = SamplingThread()
        sampling._watchers = (watching,)
        sampling._fit()
        for cost_ns in costs_ns:
            sampling._spend(cost_ns)
        return sampling

    def test_what_fits_the_budget_is_sampled_as_asked(self) -> None:
        assert self.spent(Watching(), [50_000] * 100)._period_ns == 10_000_000

    @given(st.integers(1_000, 50_000_000), st.floats(0.1, 5))
    def test_dear_samples_are_taken_so_seldom_that_the_budget_holds(
        self, cost_ns: int, budget_percent: float
    ) -> None:
        period_ns = self.spent(Watching(budget_percent=budget_percent), [cost_ns] * 300)._period_ns
        assert period_ns == MAX_PERIOD_NS or 100 * cost_ns / period_ns <= budget_percent

    def test_it_goes_back_to_the_asked_rate_when_samples_are_cheap_again(self) -> None:
        sampling = self.spent(Watching(), [50_000] * 50 + [900_000] * 100)
        assert sampling._period_ns > 50_000_000
        for _ in range(100):
            sampling._spend(40_000)
        assert sampling._period_ns == 10_000_000

    def test_one_dear_sample_at_the_start_does_not_slow_it(self) -> None:
        assert self.spent(Watching(), [80_000_000, 50_000, 50_000])._period_ns == 10_000_000

    def test_the_highest_rate_and_the_smallest_budget_of_all_sessions_hold(self) -> None:
        sampling = SamplingThread()
        sampling._watchers = (Watching(50, 5), Watching(200, 1))
        sampling._fit()
        sampling._spend(25_000)
        assert sampling._period_ns == 5_000_000
        for _ in range(200):
            sampling._spend(100_000)
        assert 100 * 100_000 / sampling._period_ns <= 1


class TestOneThread:
    def samplers(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "genesis-stacks"]

    def test_several_samplers_share_one_thread_that_ends_with_the_last(self, compute_for: ComputeFor) -> None:
        first, second = StackSampler(200), StackSampler(100)
        first.start()
        compute_for(2)
        second.start()
        compute_for(2)
        assert len(self.samplers()) == 1
        one = first.stop()
        assert len(self.samplers()) == 1
        assert not is_hosts()
        two = second.stop()
        assert self.samplers() == []
        assert is_hosts()
        assert one.records
        assert two.records
        assert first.activity is not None
        assert second.activity is not None
        assert first.activity.duration_s > second.activity.duration_s

    def test_standard_fidelity_leaves_the_switch_interval_alone(self, compute_for: ComputeFor) -> None:
        sampler = StackSampler(200, fidelity="standard")
        sampler.start()
        compute_for(2)
        assert is_hosts()
        sampler.stop()
        assert sampler.activity is not None
        assert sampler.activity.fidelity == "standard"

    def test_stopped_twice_it_returns_the_same(self, compute_for: ComputeFor) -> None:
        sampler = StackSampler(200)
        sampler.start()
        compute_for(2)
        assert sampler.stop() is sampler.stop()
        assert sampling_thread._shared is None

    def test_a_sampler_that_never_started_stops(self) -> None:
        assert StackSampler().stop().records == ()

    def test_operations_are_tracked_for_as_long_as_it_runs(self) -> None:
        sampler = StackSampler(100)
        sampler.start()
        assert tracking.on
        sampler.stop()
        assert not tracking.on

    def test_a_session_shorter_than_a_period_says_that_it_saw_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sampling_thread, "_shared", SamplingThread(uniform=lambda: 0.99))
        sampler = StackSampler(1)
        sampler.start()
        assert sampler.stop().records == ()
        assert any("before a stack sample was due" in note for note in sampler.notes)

    def test_faults_of_ours_are_counted_and_said_and_the_host_goes_on(self, compute_for: ComputeFor) -> None:
        sampler = StackSampler(500)
        sampler.start()
        sampling = sampler._sampling
        assert sampling is not None

        def broken(*_: object) -> int:
            raise ValueError("broken")

        sampling.observer._read_clock = broken
        sampling.observer._seen.clear()
        compute_for(2)
        sampler.stop()
        assert any("could not be taken" in note for note in sampler.notes)

    def test_a_starved_sampler_says_how_late_it_was_and_what_it_missed(self, compute_for: ComputeFor) -> None:
        sampler = StackSampler(200, overhead_budget_percent=50)
        sampler.start()
        compute_for(5)
        sum(range(12_000_000))  # one call that never lets go of the GIL
        compute_for(2)
        profile = sampler.stop()
        assert sampler.activity is not None
        assert sampler.activity.worst_late_ns > 30_000_000
        assert profile.lost[MISSED] >= 5

    def test_what_was_missed_is_still_in_the_wall_time(self, compute_for: ComputeFor) -> None:
        sampler = StackSampler(200, overhead_budget_percent=50)
        sampler.start()
        compute_for(5)
        begin_ns = time.monotonic_ns()
        sum(range(12_000_000))
        held_ns = time.monotonic_ns() - begin_ns
        compute_for(2)
        profile = sampler.stop()
        assert sampler.activity is not None
        wall_ns = sum(record.values[2] for record in profile.records if record.thread == "MainThread")
        begun_ns = 50_000_000  # of the last period, which counts as a whole
        assert held_ns <= wall_ns <= sampler.activity.duration_s * 1e9 + begun_ns


ONLY_MAIN = "['MainThread']\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
class TestEnds:
    def run(self, code: str) -> subprocess.CompletedProcess[str]:
        begin = (
            "import atexit, os, sys, threading\n"
            "atexit.register(lambda: print([each.name for each in threading.enumerate()]))  # runs last\n"
            "from genesis_performance.profiler.stack_sampler import StackSampler\n"
            "sampler = StackSampler(200); sampler.start()\n"
            "def compute_for(samples, of):\n"
            "    enough = of._sampling.samples + samples\n"
            "    while of._sampling.samples < enough: sum(range(500))\n"
            "compute_for(3, sampler)\n"
        )
        return subprocess.run(
            [sys.executable, "-W", "error", "-W", FORKS, "-c", begin + code],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_at_the_end_of_the_interpreter_the_thread_ends_silently(self) -> None:
        done = self.run("")
        assert (done.returncode, done.stdout, done.stderr) == (0, ONLY_MAIN, "")

    def test_a_sampler_stopped_at_exit_still_has_its_profile(self) -> None:
        done = self.run("atexit.register(lambda: print(len(sampler.stop().records) > 0))")
        assert (done.stdout, done.stderr) == ("True\n" + ONLY_MAIN, "")

    def test_a_child_has_no_sampler_and_the_hosts_switch_interval_and_the_parent_goes_on(self) -> None:
        done = self.run(
            "pid = os.fork()\n"
            "if not pid:\n"
            "    names = [thread.name for thread in threading.enumerate()]\n"
            "    print(sys.getswitchinterval(), names, flush=True); os._exit(0)\n"
            "os.waitpid(pid, 0)\n"
            "compute_for(2, sampler)\n"
            "print('goes on')\n"
        )
        assert done.stdout == f"0.005 {ONLY_MAIN}goes on\n{ONLY_MAIN}"
        assert done.stderr == ""

    def test_a_child_can_sample_itself(self) -> None:
        done = self.run(
            "pid = os.fork()\n"
            "if not pid:\n"
            "    own = StackSampler(200); own.start()\n"
            "    compute_for(5, own)\n"
            "    print(sum(record.values[1] for record in own.stop().records) > 0, flush=True)\n"
            "    os._exit(0)\n"
            "os.waitpid(pid, 0)\n"
        )
        assert (done.stdout, done.stderr) == ("True\n" + ONLY_MAIN, "")
