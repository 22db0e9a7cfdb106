"""Collections that take much of an operation's time are found."""

from genesis_performance.model.profile import GcActivity


def pauses(**by_operation_ms: float) -> GcActivity:
    by_operation = {name: round(ms * 1e6) for name, ms in by_operation_ms.items()}
    return GcActivity(
        collections=(50, 5, 1),
        pause_ns=sum(by_operation.values()),
        longest_ns=9_000_000,
        by_operation=by_operation,
    )


def test_an_operation_that_pauses_for_more_than_a_tenth_is_found(sessions, found) -> None:
    (finding,) = found(
        "profiler/gc-heavy", gc=pauses(checkout=150), operations=(sessions.operation("checkout"),)
    )
    assert finding.resource == "checkout"
    assert "150 ms of 1000 ms (15%)" in finding.reason


def test_less_than_a_tenth_is_not(sessions, found) -> None:
    operations = (sessions.operation("checkout"),)
    assert not found("profiler/gc-heavy", gc=pauses(checkout=99), operations=operations)


def test_short_pauses_are_not_although_the_operation_is_shorter(sessions, found) -> None:
    operations = (sessions.operation("checkout", mean_ms=5),)
    assert not found("profiler/gc-heavy", gc=pauses(checkout=19), operations=operations)


def test_few_executions_are_not(sessions, found) -> None:
    operations = (sessions.operation("checkout", count=4),)
    assert not found("profiler/gc-heavy", gc=pauses(checkout=200), operations=operations)


def test_a_session_that_pauses_outside_operations_is_found(found) -> None:
    gc = GcActivity(collections=(1, 1, 9), pause_ns=2_000_000_000, longest_ns=400_000_000)
    (finding,) = found("profiler/gc-heavy", gc=gc)
    assert finding.resource == "process"


def test_the_line_that_uses_most_cpu_in_the_operation_is_named(sessions, found) -> None:
    stacks = sessions.stacks(
        sessions.seen((sessions.frame("build", line=77),), 50, 500, 500, operation="checkout"),
        sessions.seen((sessions.frame("idle", line=1),), 900, 900, 9000),
    )
    (finding,) = found(
        "profiler/gc-heavy",
        gc=pauses(checkout=150),
        operations=(sessions.operation("checkout"),),
        stacks=stacks,
    )
    assert finding.line == 77
