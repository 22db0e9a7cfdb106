import gc
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from genesis_performance.export.catalog import MEMORY_BYTES
from genesis_performance.export.exporter import Exporter
from genesis_performance.export.sink import Rejection, WriteResult
from genesis_performance.export.sinks.memory import MemorySink
from genesis_performance.model.series import Point, Series

from ..conftest import FakeClock

Make = Callable[..., tuple[Exporter, MemorySink]]


def one_series(now_ns: int) -> list[Series]:
    return [Series(metric=MEMORY_BYTES, labels=(), points=(Point(end_unix_ns=now_ns, value=1),))]


@pytest.fixture
def make(clock: FakeClock) -> Iterator[Make]:
    made: list[Exporter] = []

    def make(*results: WriteResult | Exception, collect=one_series) -> tuple[Exporter, MemorySink]:
        sink = MemorySink(*results)
        exporter = Exporter(collect, lambda: sink, interval_s=60, clock=clock)
        made.append(exporter)
        return exporter, sink

    yield make
    for exporter in made:
        exporter._tick = None
        exporter.is_closed = True
        exporter._wake.set()


def soon(condition: Callable[[], object]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.002)


def started(exporter: Exporter, clock: FakeClock) -> None:
    exporter.start()
    clock.settle()


def test_nothing_happens_before_the_first_use(make: Make) -> None:
    exporter, sink = make()
    assert not exporter.is_running
    assert sink.writes == 0


def test_the_first_export_is_early_and_then_one_comes_every_interval(make: Make, clock: FakeClock) -> None:
    exporter, sink = make()
    started(exporter, clock)
    clock.advance(5)
    soon(lambda: sink.writes == 1)
    clock.settle()
    for export in (2, 3):
        clock.advance(59)
        clock.settle()
        assert sink.writes == export - 1
        clock.advance(1)
        soon(lambda export=export: sink.writes == export)
        clock.settle()
    assert exporter.counts.exported == 3


def test_flush_exports_now_and_says_whether_all_arrived(make: Make) -> None:
    exporter, sink = make()
    assert exporter.flush(60)
    assert sink.value("process/memory_bytes") == 1


def test_a_failing_sink_is_counted_and_the_next_export_catches_up(
    make: Make, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    exporter, sink = make(*[ConnectionError("gone")] * 10)
    started(exporter, clock)
    clock.advance(5)
    for export in range(1, 12):
        soon(lambda export=export: sink.writes == export)
        clock.settle()
        clock.advance(60)
    soon(lambda: exporter.counts.last_success_unix_ns)
    assert exporter.counts.failures == 10
    assert exporter.counts.failures_in_a_row == 0
    assert exporter.counts.last_error == "ConnectionError: gone"
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert 1 <= len(warnings) <= 10
    assert any("exported again, after 10 failures" in record.getMessage() for record in caplog.records)


def test_failures_are_logged_at_most_once_a_minute(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    exporter, _ = make(*[ConnectionError("gone")] * 50)
    for _ in range(50):
        exporter._export(1, final=False)
    assert len(caplog.records) == 1


def test_a_collector_that_raises_does_not_end_the_thread(make: Make) -> None:
    answers: list[object] = [RuntimeError("boom"), one_series(5)]

    def collect(_now_ns: int) -> list[Series]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]

    exporter, sink = make(collect=collect)
    exporter._export(1, final=False)
    assert exporter.flush(60)
    assert sink.writes == 1


def test_flush_tries_again_until_its_time_is_over(make: Make, clock: FakeClock) -> None:
    retry = WriteResult(retry=tuple(one_series(1)), errors=("UNAVAILABLE",))
    exporter, sink = make(*[retry] * 100)
    outcome: list[bool] = []
    thread = threading.Thread(target=lambda: outcome.append(exporter.flush(10)))
    thread.start()
    soon(lambda: sink.writes)
    while thread.is_alive():
        clock.advance(0.5)
        clock.settle(lambda: not thread.is_alive())
    assert outcome == [False]
    assert 2 <= sink.writes <= 8


def test_flush_waits_for_series_that_were_written_a_moment_ago(make: Make, clock: FakeClock) -> None:
    exporter, sink = make(WriteResult(held=tuple(one_series(1)), held_s=3))
    flush = exporter.begin_flush(10, final=False)
    soon(lambda: sink.writes == 1)
    clock.settle()
    assert not flush.done.is_set()
    clock.advance(3)
    assert exporter.wait(flush, 60)
    assert sink.writes == 2


def test_a_flush_is_complete_once_every_series_has_arrived_though_they_are_held_back_in_turns(
    make: Make, clock: FakeClock
) -> None:
    first, second = (
        Series(metric=MEMORY_BYTES, labels=(("n", name),), points=(Point(end_unix_ns=1, value=1),))
        for name in "ab"
    )
    exporter, sink = make(
        WriteResult(sent=1, held=(first,), held_s=3), WriteResult(sent=1, held=(second,), held_s=2)
    )
    flush = exporter.begin_flush(10, final=False)
    soon(lambda: sink.writes == 1)
    clock.settle()
    clock.advance(3)
    assert exporter.wait(flush, 60)
    assert sink.writes == 2


def test_an_export_that_has_to_wait_is_made_up_for_before_the_next_interval(
    make: Make, clock: FakeClock
) -> None:
    exporter, sink = make(WriteResult(held=tuple(one_series(1)), held_s=3))
    started(exporter, clock)
    clock.advance(5)
    soon(lambda: sink.writes == 1)
    clock.settle()
    clock.advance(3)
    soon(lambda: sink.writes == 2)


def test_a_refusal_for_good_is_counted_by_reason_and_named(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    rejection = Rejection(reason="user 12345: bad label", series=one_series(1)[0])
    exporter, _ = make(WriteResult(sent=3, rejected=(rejection,)))
    assert exporter.flush(60)
    assert exporter.counts.rejected == {"user {id}: bad label": 1}
    assert exporter.counts.exported == 3
    assert "process/memory_bytes" in caplog.text


def test_an_unbounded_number_of_reasons_is_kept_bounded(make: Make) -> None:
    exporter, _ = make()
    for letter in range(26):
        for second in range(26):
            reason = "reason " + chr(97 + letter) + chr(97 + second)
            exporter._count(WriteResult(rejected=(Rejection(reason=reason),)))
    assert len(exporter.counts.rejected) <= 21
    assert exporter.counts.rejected.total() == 26 * 26


def test_close_flushes_closes_the_sink_and_a_second_close_does_nothing(make: Make) -> None:
    exporter, sink = make()
    assert exporter.close(5)
    assert sink.writes == 1
    assert sink.is_closed
    assert exporter.close(5)
    assert sink.writes == 1
    exporter.start()
    assert not exporter.is_running


def test_the_tick_is_called_and_may_fail(make: Make, clock: FakeClock) -> None:
    exporter, _ = make()
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(1)
        raise RuntimeError("boom")

    exporter.start()
    exporter.every(10, tick)
    soon(lambda: len(ticks) == 1)
    clock.settle()
    clock.advance(10)
    soon(lambda: len(ticks) == 2)
    assert exporter.is_running


def test_an_exporter_that_nobody_holds_is_forgotten(clock: FakeClock) -> None:
    from genesis_performance.export import at_end

    exporter = Exporter(one_series, MemorySink, interval_s=60, clock=clock)
    seen = weakref.ref(exporter)
    assert exporter in at_end._watched
    del exporter
    gc.collect()
    assert seen() is None


def run(code: str, *, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    prelude = """
        import os, signal, sys, threading, time
        from genesis_performance.export.at_end import flush_at_sigterm
        from genesis_performance.export.catalog import MEMORY_BYTES
        from genesis_performance.export.exporter import Exporter
        from genesis_performance.export.sink import WriteResult
        from genesis_performance.model.series import Point, Series

        class Printing:
            def write(self, series, *, timeout_s, final=False):
                os.write(1, f"wrote {os.getpid()} {final}\\n".encode())
                return WriteResult(sent=len(series))
            def close(self): pass

        def collect(now):
            return [Series(metric=MEMORY_BYTES, labels=(), points=(Point(end_unix_ns=now, value=1),))]

        exporter = Exporter(collect, Printing, interval_s=60)
    """
    source = textwrap.dedent(prelude) + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=timeout_s, check=False
    )


def test_what_is_recorded_is_flushed_when_the_interpreter_ends() -> None:
    ended = run("exporter.start()")
    assert ended.stdout.startswith("wrote")
    assert ended.stdout.strip().endswith("True")
    assert ended.stderr == ""


def test_an_exporter_never_used_does_nothing_at_the_end() -> None:
    ended = run("")
    assert (ended.stdout, ended.stderr) == ("", "")


def test_a_sink_that_hangs_does_not_hold_up_the_end() -> None:
    ended = run("Printing.write = lambda *a, **k: time.sleep(600)\nexporter.start()")
    assert ended.returncode == 0


def test_sigterm_flushes_and_then_ends_the_process() -> None:
    ended = run("exporter.start(); flush_at_sigterm(); os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)")
    assert ended.stdout.startswith("wrote")
    assert ended.returncode == -15


def test_sigterm_still_calls_the_hosts_own_handler() -> None:
    ended = run(
        "signal.signal(signal.SIGTERM, lambda *_: (print('host', flush=True), os._exit(3)))\n"
        "exporter.start(); flush_at_sigterm(); os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)"
    )
    assert ended.stdout.splitlines()[0].startswith("wrote")
    assert ended.stdout.splitlines()[1] == "host"
    assert ended.returncode == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_child_of_a_fork_exports_for_itself() -> None:
    ended = run(
        """
        assert exporter.flush(60)
        pid = os.fork()
        if not pid:
            assert exporter.is_running and exporter.counts.exported == 0
            ok = exporter.flush(60)
            os._exit(0 if ok else 7)
        assert os.waitpid(pid, 0)[1] == 0
        os.write(1, f"child {pid}\\n".encode())
        os._exit(0)
        """
    )
    assert ended.returncode == 0, ended.stderr
    lines = [line.split() for line in ended.stdout.splitlines()]
    child = next(line[1] for line in lines if line[0] == "child")
    writers = [line[1] for line in lines if line[0] == "wrote"]
    assert len(writers) == 2
    assert writers[1] == child != writers[0]


def test_a_flush_without_an_answer_is_an_error_that_is_known(clock: FakeClock) -> None:
    goes_on = threading.Event()

    class Hanging(MemorySink):
        def write(self, series, *, timeout_s, final=False):
            goes_on.wait(60)
            return super().write(series, timeout_s=timeout_s, final=final)

    exporter = Exporter(one_series, Hanging, interval_s=60, clock=clock)
    assert not exporter.flush(0.05)
    assert exporter.counts.last_error == "nothing was acknowledged within 0.05 s"
    goes_on.set()
    assert exporter.close(60)
