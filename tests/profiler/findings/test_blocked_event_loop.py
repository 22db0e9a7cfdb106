"""A callback that holds an event loop is found at its line."""

from genesis_performance.config.profiler import ProfilerConfig
from genesis_performance.model.profile import LoopBlock


def block(duration_ms: float, line: int = 30, operation: str = "checkout") -> LoopBlock:
    return LoopBlock(
        at_unix_ns=1,
        duration_ns=round(duration_ms * 1e6),
        thread="MainThread",
        operation=operation,
        function="resize",
        file="/srv/app/images.py",
        line=line,
    )


def test_one_block_is_a_finding_at_its_line(found) -> None:
    (finding,) = found("profiler/blocked-event-loop", loop_blocks=(block(150),))
    assert (finding.resource, finding.file, finding.line) == ("checkout", "/srv/app/images.py", 30)
    assert "for at least 150 ms at worst" in finding.reason


def test_blocks_at_one_line_are_one_finding(found) -> None:
    (finding,) = found("profiler/blocked-event-loop", loop_blocks=(block(150), block(300), block(200)))
    assert [evidence.value for evidence in finding.evidence] == [3, 300, 650]


def test_the_line_that_blocks_longest_comes_first(found) -> None:
    blocks = (block(400, line=1), block(250, line=2), block(250, line=2))
    assert [each.line for each in found("profiler/blocked-event-loop", loop_blocks=blocks)] == [2, 1]


def test_the_threshold_decides(found) -> None:
    config = ProfilerConfig(blocked_loop_threshold_ms=200)
    assert not found("profiler/blocked-event-loop", config, loop_blocks=(block(150),))


def test_a_block_outside_any_operation_names_the_thread(found) -> None:
    (finding,) = found("profiler/blocked-event-loop", loop_blocks=(block(150, operation=""),))
    assert finding.resource == "MainThread"
