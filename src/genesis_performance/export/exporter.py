"""Export in the background: collect every interval, write to the sink, survive its absence.

One daemon thread, started at first use. Whatever goes wrong in it is counted and logged at most once a
minute, never raised into the host; a sink that comes back is written to again at the next interval. The
child of a fork starts a thread, a sink and counters of its own. At interpreter exit what is recorded is
flushed within ``EXIT_TIMEOUT_S``.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..model.series import Series
from . import at_end
from .clock import Clock, SystemClock
from .limits import Complaints
from .redaction import redact
from .sink import Sink, WriteResult

log = logging.getLogger(__name__)

FIRST_EXPORT_S = 5.0
"""The first export comes early, so that one sees soon whether it works."""

SEND_TIMEOUT_S = 30.0  # of one periodic export
FIRST_PAUSE_S = 0.2  # of a flush, before it tries again; doubled each time
OTHERS_PAUSE_S = 0.05  # between two looks whether another process has sent
MAX_REASONS = 20  # kept apart; an unbounded number of texts must not fill the memory


@dataclass(slots=True)
class ExportCounts:
    """What became of the points so far."""

    exported: int = 0
    deferred: int = 0  # not delivered by one write; a later write's point stood or stands for them
    rejected: Counter[str] = field(default_factory=Counter)  # reason -> points
    failures: int = 0  # writes that did not deliver everything
    failures_in_a_row: int = 0
    last_error: str | None = None
    last_success_unix_ns: int | None = None


class Turn(Protocol):
    """Decides whether this process is the one that sends, where several share their series."""

    def take(self) -> bool:
        """Whether it is this process's turn; asked before each export."""

    def request(self) -> int:
        """Ask whoever sends to send what was recorded until now."""

    def is_sent(self, mark: int, *, final: bool) -> bool:
        """Whether that has happened, or with ``final`` is sure to; ``mark`` is what ``request`` returned."""

    def date(self, now_unix_ns: int, *, spacing_s: float, final: bool) -> tuple[int, float]:
        """What date the points of the next export get, and how many seconds that export has to wait.

        Args:
            spacing_s: least time between two points of a series.
            final: rather dated a little ahead than not sent.
        """

    def end(self) -> None:
        """The next export of this process may be its last one."""

    def exported(self, result: WriteResult) -> None:
        """Called after each export."""

    def resign(self) -> None:
        """Let another process send."""


class _Flush:
    """A caller that waits for an export."""

    def __init__(self, *, ends: float, final: bool, failures: int) -> None:
        self.ends = ends
        self.failures = failures  # until it began
        self.final = final
        self.done = threading.Event()
        self.is_complete = False


class Exporter:
    """Writes what ``collect`` returns to a sink, in a thread of its own.

    Args:
        collect: the series as of a time in ns since the epoch; called in the thread.
        open_sink: makes the sink; called in the thread, again after a fork.
        interval_s: between two exports.
        after_fork: called in the child of a fork before its exporter goes on.
        turn: who of several processes sends; without it, this one.
        pulse: called in the thread every ``pulse_s`` and before a flush; True asks for an export now.
    """

    def __init__(
        self,
        collect: Callable[[int], Sequence[Series]],
        open_sink: Callable[[], Sink],
        *,
        interval_s: float,
        clock: Clock | None = None,
        after_fork: Callable[[], None] | None = None,
        turn: Turn | None = None,
        pulse: Callable[[], bool] | None = None,
        pulse_s: float = 1.0,
    ) -> None:
        self.clock = clock or SystemClock()
        self._collect = collect
        self._open_sink = open_sink
        self._interval_s = interval_s
        self._after_fork = after_fork
        self._turn = turn
        self._pulse = pulse
        self._pulse_s = pulse_s
        self._tick: tuple[float, Callable[[], object]] | None = None
        self.is_closed = False
        self._fresh()
        at_end.watch(self)

    def _fresh(self) -> None:
        self.counts = ExportCounts()
        self._complaints = Complaints(log, clock=self.clock.monotonic)
        self._lock = threading.RLock()  # re-entrant: a signal handler flushes in the middle of anything
        self._wake = threading.Event()
        self._flushes: list[_Flush] = []
        self._thread: threading.Thread | None = None
        self.unsent: int | None = None  # series that the last flush left; None where it got no answer
        self._sink: Sink | None = None
        self._sink_lock = threading.RLock()

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread unless it runs or the exporter is closed."""
        if self._thread is not None and self._thread.is_alive():
            return
        with self._lock:
            if self.is_closed or (self._thread is not None and self._thread.is_alive()):
                return
            thread = threading.Thread(target=self._run, name="genesis-export", daemon=True)
            self._thread = thread  # before it starts: a signal at once after that must find it
            try:
                thread.start()
            except RuntimeError as error:  # out of threads, or the interpreter ends
                self._thread = None
                self._complaints.add("no thread", "metrics are not exported: %s", error)

    def every(self, seconds: float, tick: Callable[[], object]) -> None:
        """Call ``tick`` in the thread about every so many seconds from now on."""
        self._tick = (seconds, tick)
        self._wake.set()

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Export now and wait; True when nothing is left to send.

        Two points of a series are 5 s apart, so a flush soon after an export may take as long.
        """
        return self._wait(self.begin_flush(timeout_s, final=False), timeout_s)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Flush and end the thread; True when nothing was left to send. A second call does nothing."""
        if self.is_closed:
            return True
        flush = self.begin_flush(timeout_s, final=True)
        self.is_closed = True
        complete = self._wait(flush, timeout_s)
        self._wake.set()
        thread = self._thread
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(0.5)
        self._close_sink()
        return complete

    def begin_flush(self, timeout_s: float, *, final: bool) -> _Flush:
        """Ask the thread for an export and do not wait."""
        self.start()
        self.unsent = None
        flush = _Flush(ends=self.clock.monotonic() + timeout_s, final=final, failures=self.counts.failures)
        with self._lock:
            self._flushes.append(flush)
        self._wake.set()
        return flush

    def wait(self, flush: _Flush, timeout_s: float) -> bool:
        """Wait for a flush that ``begin_flush`` asked for."""
        return self._wait(flush, timeout_s)

    def sink(self) -> Sink:
        """The sink, opened at first use."""
        with self._sink_lock:
            if self._sink is None:
                self._sink = self._open_sink()
            return self._sink

    def after_fork_in_child(self) -> None:
        """Go on in the child of a fork: nothing of the parent's may be used or sent again."""
        was_running = self._thread is not None
        self._fresh()
        if self._after_fork is not None:
            self._after_fork()
        if was_running and not self.is_closed:
            self.start()

    def _wait(self, flush: _Flush, timeout_s: float) -> bool:
        thread = self._thread
        if thread is None or (thread.ident is not None and not thread.is_alive()):
            self.counts.last_error = "no thread exports any more"
            return False  # one that a signal finds before it began has no ident yet, and will run
        flush.done.wait(timeout_s)  # real seconds, whatever the clock: the host must not wait longer
        if not flush.is_complete and self.counts.failures == flush.failures:
            self.counts.last_error = f"nothing was acknowledged within {timeout_s:g} s"
        return flush.is_complete

    def _run(self) -> None:
        clock = self.clock
        pid = os.getpid()
        export_at = clock.monotonic() + min(FIRST_EXPORT_S, self._interval_s)
        tick_at = pulse_at = clock.monotonic()
        while os.getpid() == pid:
            wait_until = export_at if self._tick is None else min(export_at, tick_at)
            if self._pulse is not None:
                wait_until = min(wait_until, pulse_at)
            clock.wait(self._wake, max(wait_until - clock.monotonic(), 0.0))
            self._wake.clear()
            with self._lock:
                flushes, self._flushes = self._flushes, []
            now = clock.monotonic()
            wanted = False
            if self._pulse is not None and (now >= pulse_at or flushes):
                pulse_at = now + self._pulse_s
                wanted = self._call_pulse(self._pulse)
            for flush in flushes:
                self._serve(flush)
            now = clock.monotonic()
            result = None
            if (now >= export_at or wanted) and not flushes and self._may_export():
                result = self._export(SEND_TIMEOUT_S, final=False)
            if now >= export_at or flushes or wanted:
                export_at = now + self._interval_s
                if result is not None and result.held and not result.sent:
                    export_at = now + min(result.held_s, self._interval_s)
            if self._tick is not None and now >= tick_at:
                tick_at = now + self._tick[0]
                if self._may_export():
                    self._call_tick(self._tick[1])
            if self.is_closed and not self._flushes:
                return

    def _serve(self, flush: _Flush) -> None:
        pause_s = FIRST_PAUSE_S
        final = flush.final
        mark = self._turn.request() if self._turn is not None else 0
        # A series that was delivered by one try may be held back by the next: each must have arrived once.
        left: set[tuple[str, tuple[tuple[str, str], ...]]] | None = None
        try:
            while True:
                left_s = flush.ends - self.clock.monotonic()
                if self._turn is not None and flush.final:
                    self._turn.end()
                if self._turn is not None and not self._may_export():
                    flush.is_complete = self._turn.is_sent(mark, final=flush.final)
                    if flush.is_complete or left_s <= 0:
                        return
                    self.clock.wait(threading.Event(), OTHERS_PAUSE_S)
                    continue
                result = self._export(max(left_s, 0.1), final=final)
                if result is not None:
                    left = result.undelivered if left is None else left & result.undelivered
                    self.unsent = len(left)
                if left is not None and not left:
                    flush.is_complete = True
                    return
                left_s = flush.ends - self.clock.monotonic()
                wait_s = result.held_s if result is not None and result.held else pause_s
                if wait_s >= left_s:
                    if final or result is None or not result.held or left_s <= 0:
                        return
                    final, wait_s = True, 0.0  # rather dated a little ahead than not sent
                self.clock.wait(threading.Event(), wait_s)
                pause_s *= 2
        finally:
            if flush.final and self._turn is not None:
                # Who ends with us and recorded after that export, sends it.
                self._turn.resign()
                self._close_sink()
            flush.done.set()

    def _may_export(self) -> bool:
        return self._turn is None or self._turn.take()

    def _close_sink(self) -> None:
        with self._sink_lock:
            sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()

    def _export(self, timeout_s: float, *, final: bool) -> WriteResult | None:
        """One export; None when it failed as a whole."""
        try:
            now, held_s = self.clock.unix_ns(), 0.0
            if self._turn is not None:
                now, held_s = self._turn.date(now, spacing_s=self.sink().spacing_s, final=final)
            series = self._collect(now)
            result = WriteResult()
            if held_s:
                result = WriteResult(held=tuple(series), held_s=held_s)
            elif series:
                result = self.sink().write(series, timeout_s=timeout_s, final=final)
        except Exception as error:  # noqa: BLE001 - the thread must live on
            self._count_failure(f"{type(error).__name__}: {error}")
            return None
        self._count(result)
        if self._turn is not None:
            self._turn.exported(result)
        return result

    def _count(self, result: WriteResult) -> None:
        counts = self.counts
        counts.exported += result.sent
        counts.deferred += len(result.retry)
        for rejection in result.rejected:
            reason = redact(rejection.reason)[:300]
            if reason not in counts.rejected and len(counts.rejected) >= MAX_REASONS:
                reason = "other reasons"
            counts.rejected[reason] += rejection.count
            name = rejection.series.metric.name if rejection.series else "a series"
            self._complaints.add("rejected", "%s was refused for good: %s", name, rejection.reason)
        if result.retry or result.errors:
            self._count_failure(result.errors[-1] if result.errors else "the time was over")
            return
        if result.sent:
            if counts.failures_in_a_row:
                log.info("metrics are exported again, after %d failures", counts.failures_in_a_row)
            counts.failures_in_a_row = 0
            counts.last_success_unix_ns = self.clock.unix_ns()

    def _count_failure(self, error: str) -> None:
        counts = self.counts
        counts.failures += 1
        counts.failures_in_a_row += 1
        counts.last_error = error[:500]
        self._complaints.add(
            "export failed",
            "metrics could not be exported, recording goes on and the next export catches up: %s",
            error,
        )

    def _call_pulse(self, pulse: Callable[[], bool]) -> bool:
        try:
            return pulse()
        except Exception as error:  # noqa: BLE001 - the thread must live on
            self._complaints.add("pulse", "metrics could not be kept: %s: %s", type(error).__name__, error)
            return False

    def _call_tick(self, tick: Callable[[], object]) -> None:
        try:
            tick()
        except Exception as error:  # noqa: BLE001 - the thread must live on
            self._complaints.add(
                "tick", "the local evaluation of alerts failed: %s: %s", type(error).__name__, error
            )
