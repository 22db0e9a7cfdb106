"""CPU, memory, response time: what was set decides, and the line behind it is named."""

from dataclasses import replace

import pytest

from genesis_performance.config.profiler import ProfilerConfig
from genesis_performance.model.advice import Severity
from genesis_performance.model.operation import RepeatedCall


class TestCpu:
    def test_more_than_the_threshold_of_all_cores_is_found(self, sessions, found) -> None:
        (finding,) = found("profiler/cpu", resources=sessions.resources(cpu_percent=170.0))
        assert "85 % of 2 cores" in finding.reason

    def test_one_busy_core_of_two_is_none(self, sessions, found) -> None:
        assert not found("profiler/cpu", resources=sessions.resources(cpu_percent=100.0))

    def test_a_sample_counts_for_the_time_that_it_covers(self, sessions, found) -> None:
        first, second, third = sessions.resources((1, 1, 1), cpu_percent=100.0)
        moment = replace(third, at_unix_ns=second.at_unix_ns + 1000, cpu_percent=20_000.0)
        assert not found("profiler/cpu", resources=(first, second, moment))

    def test_two_samples_are_too_few(self, sessions, found) -> None:
        assert not found("profiler/cpu", resources=sessions.resources((1, 1), cpu_percent=200.0))

    def test_a_wall_clock_set_back_counts_nothing_twice(self, sessions, found) -> None:
        samples = sessions.resources((1,) * 5, cpu_percent=170.0)
        assert len(found("profiler/cpu", resources=samples[::-1])) == 1

    def test_the_line_that_uses_most_is_named(self, sessions, found) -> None:
        stacks = sessions.stacks(
            sessions.seen((sessions.frame("main"), sessions.frame("price", line=42)), 90, 900, 900),
            sessions.seen((sessions.frame("main"),), 10, 100, 100),
        )
        (finding,) = found("profiler/cpu", resources=sessions.resources(cpu_percent=190.0), stacks=stacks)
        assert (finding.file, finding.line) == ("/srv/app/shop.py", 42)

    def test_a_library_is_charged_to_the_line_that_calls_it(self, sessions, found) -> None:
        library = sessions.frame("dumps", "/usr/lib/python3.11/json/__init__.py", 231)
        stacks = sessions.stacks(sessions.seen((sessions.frame("view", line=7), library), 90, 900, 900))
        (finding,) = found("profiler/cpu", resources=sessions.resources(cpu_percent=190.0), stacks=stacks)
        assert finding.line == 7


class TestMemory:
    def test_one_sample_above_the_threshold_is_enough(self, sessions, found) -> None:
        (finding,) = found("profiler/memory", resources=sessions.resources((100, 1000 * sessions.mib)))
        assert finding.severity is Severity.CRITICAL
        assert "1000 MiB, 97.7 % of the limit of 1024 MiB" in finding.reason

    def test_memory_that_was_not_measured_is_not_judged(self, sessions, found) -> None:
        config = ProfilerConfig(enable_memory_profiling=False)
        assert not found("profiler/memory", config, resources=sessions.resources((1000 * sessions.mib,)))


class TestResponseTime:
    def test_the_95th_percentile_above_the_threshold_is_found(self, sessions, found) -> None:
        operations = (sessions.operation("checkout", mean_ms=800), sessions.operation("read", mean_ms=300))
        (finding,) = found("profiler/response-time", operations=operations)
        assert finding.resource == "checkout"
        assert finding.evidence[0].value == pytest.approx(800, rel=0.016)

    def test_four_executions_are_too_few(self, sessions, found) -> None:
        operations = (sessions.operation("checkout", count=4, mean_ms=800),)
        assert not found("profiler/response-time", operations=operations)

    def test_the_line_with_most_wall_time_of_that_operation_is_named(self, sessions, found) -> None:
        stacks = sessions.stacks(
            sessions.seen((sessions.frame("pay", line=5),), 80, 10, 800, operation="checkout"),
            sessions.seen((sessions.frame("scan", line=9),), 900, 9000, 9000, operation="other"),
        )
        (finding,) = found(
            "profiler/response-time", operations=(sessions.operation("checkout", mean_ms=800),), stacks=stacks
        )
        assert finding.line == 5
        assert "100% of the sampled wall time is at pay (/srv/app/shop.py:5)" in finding.reason


class TestIdenticalCalls:
    def repeat(self, duration_ns: int) -> RepeatedCall:
        return RepeatedCall(
            operation="checkout",
            kind="secret read",
            key="tax-key",
            file="/srv/app/shop.py",
            line=12,
            function="taxes",
            executions=4,
            calls=12,
            most=3,
            duration_ns=duration_ns,
        )

    def test_calls_that_cost_time_are_found_at_their_line(self, found) -> None:
        (finding,) = found("profiler/identical-calls", repeated_calls=(self.repeat(24_000_000),))
        assert (finding.file, finding.line) == ("/srv/app/shop.py", 12)
        assert "3.0 times in one execution" in finding.reason

    def test_calls_that_a_cache_answers_are_not(self, found) -> None:
        assert not found("profiler/identical-calls", repeated_calls=(self.repeat(12 * 99_999),))
