"""One process's part in a shared folder: when it is its turn, it sends the values of all processes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

from ..model.operation import OVERFLOW_NAME
from ..model.series import Series
from .blocks import OPERATION, SeriesKey
from .catalog import ENVIRONMENT, OVERFLOW, SERVICE
from .cells import MILLISECOND_NS, SERIES_PER_OPERATION, Cells
from .labels import Labels
from .limits import Complaints
from .mapped_file import MappedFile
from .rendering import Rendering, rendered
from .sharing import SharedFolder
from .sink import WriteResult
from .totals import Sums, Totals, less

SECOND_NS = 1_000_000_000

MAX_AHEAD_S = 10.0
"""The last points of a process may be dated so far ahead."""

FUTURE_NS = 300 * SECOND_NS
"""The service takes no point that is further ahead: what was dated so was dated by a wrong clock."""

PATIENCE_NS = 15_000_000_000
"""Nobody waits longer for a flush; it is not tried again and again after that."""


class Writer:
    """Takes its turn, collects what all recorded, and answers those that wait.

    Args:
        cells: of this process.
        max_series: of the folder; later ones are sent as ``__other__``.
    """

    def __init__(
        self, shared: SharedFolder, cells: Cells, *, complaints: Complaints, max_series: int
    ) -> None:
        self.shared = shared
        self._cells = cells
        self._complaints = complaints
        self._max_series = max_series
        self.after_fork_in_child()

    def after_fork_in_child(self) -> None:
        self._lock = threading.RLock()  # exports, and looks of other threads
        self._baseline: dict[SeriesKey, Any] | None = None
        self._began_ns = self._now_ns = 0
        self._newest_ns = 0  # date of the newest points that may have been sent
        self._inherited_ns = 0  # and of those of the writer before this one
        self._left: set[tuple[str, Labels]] | None = None  # not delivered since the time below
        self._left_since_ns = 0
        self._left_dead: frozenset[str] = frozenset()
        self._is_unsaved = False
        self._used = 0
        self._forget_series()

    def _forget_series(self) -> None:
        self._merged: Totals = {}  # of these ``_admitted`` has been made
        self._admitted = Sums()
        self._rendering: Rendering | None = None

    def take(self) -> bool:
        """Whether it is this process's turn; it is as soon as no other process has it."""
        with self._lock:
            knew = self.shared.folded if self.shared.leads else None
            if not self._quietly(self.shared.try_lead):
                return False
            if self.shared.folded is not knew:
                self._newest_ns = self._inherited_ns = self.shared.newest_unix_ns()
                self._left = None
                self._used = sum(_series_of(key) for key in self.shared.folded.starts)
                self._forget_series()
            return True

    def request(self) -> int:
        """Ask for what was recorded until now to be sent; returns what ``is_sent`` takes."""
        now = monotonic_ns()
        file = self._file()
        if file is not None:
            file.want(now)
        return now

    def is_sent(self, mark: int, *, final: bool) -> bool:
        """Whether what was recorded before ``request`` has been acknowledged, or is nothing.

        Args:
            final: it is enough that another process will send it, as its file stays.
        """
        if self._file() is None or self.shared.sent_ns() >= mark:
            return True
        return final and not self.shared.writer_ends

    def end(self) -> None:
        """The next export may be the last one of this process."""
        with self._lock:
            self.shared.end()

    def finish(self) -> None:
        """After the last export, and after this process's file was closed: leave nothing behind."""
        if self.take():
            with self._lock:

                def fold() -> bool:
                    self.shared.merged()
                    self.shared.fold(self.shared.merged_dead)
                    return True

                self._quietly(fold)

    def freshen(self) -> None:
        """Have the files look used."""
        file = self._file()
        with self._lock:

            def keep() -> bool:
                if file is not None:
                    file.touch()
                if self.shared.leads:
                    self.shared.keep()
                return True

            self._quietly(keep)

    def is_wanted(self) -> bool:
        """Whether another process waits for its values to be sent."""
        with self._lock:
            if not self.shared.leads:
                return False
            self._quietly(self._look)
            wanted_ns = self.shared.wanted_ns()
        return wanted_ns > max(self.shared.sent_ns(), monotonic_ns() - PATIENCE_NS)

    def exported(self, result: WriteResult) -> None:
        """After a write: what became of it."""
        with self._lock:
            if not self.shared.leads:
                return
            # A series that was delivered by one write may be held back by the next: each must have arrived
            # once since the first of them.
            if self._left is None:
                self._left, self._left_since_ns = result.undelivered, self._began_ns
                self._left_dead = self.shared.merged_dead
            else:
                self._left &= result.undelivered
            acknowledged: frozenset[str] = frozenset()
            if not self._left:
                self.shared.sent(self._left_since_ns)
                self._left, acknowledged = None, self._left_dead

            def fold() -> bool:
                self.shared.fold(acknowledged)
                return True

            self._quietly(fold)

    def resign(self) -> None:
        """Let another process send."""
        with self._lock:
            self.shared.resign()
            self._forget_series()

    def date(self, now_unix_ns: int, *, spacing_s: float, final: bool) -> tuple[int, float]:
        """See ``Turn``. Noted in the folder before anything is sent: a kill may come in between."""
        with self._lock:
            if self._newest_ns > now_unix_ns + FUTURE_NS:
                self._forget_wrong_clock(now_unix_ns)
            newest, inherited = self._newest_ns, self._inherited_ns
            spacing_ns = round(spacing_s * SECOND_NS)
            if final:
                date = max(now_unix_ns, newest + spacing_ns)
                wait_ns = date - now_unix_ns - round(MAX_AHEAD_S * SECOND_NS)
            else:
                date = max(now_unix_ns, newest + 1)
                wait_ns = inherited + spacing_ns - now_unix_ns if inherited and spacing_ns else 0
            if wait_ns > 0:
                return now_unix_ns, wait_ns / SECOND_NS
            self._newest_ns, self._inherited_ns = date, 0

            def note() -> bool:
                self.shared.date(date)
                return True

            self._quietly(note)
            return date, 0.0

    def collect(self, now_unix_ns: int, *, service: str, environment: str) -> list[Series]:
        """The series of all processes."""
        with self._lock:
            self._began_ns, self._now_ns = monotonic_ns(), now_unix_ns
            merged = self.shared.merged()
            if merged is not self._merged or self._is_unsaved:
                self._admit(merged)
            if self._rendering is None or self._rendering.names != (service, environment):
                self._rendering = Rendering(service, environment)
            return self._rendering.series(self._admitted.totals, now_unix_ns, self.shared.folded.starts)

    def observed(self, now_unix_ns: int, *, service: str, environment: str) -> list[Series]:
        """What happened in all processes since this one began, and all of its own."""
        file = self._file()
        own = file.path.name if file is not None else ""
        with self._lock:
            if self._baseline is None:
                begun = self.shared.merged(without=own)
                self._baseline = {key: known.read() for key, known in begun.items()}
            since = less(self.shared.merged(), self._baseline)
        return rendered(since, now_unix_ns, service=service, environment=environment)

    def everything(self, now_unix_ns: int, *, service: str, environment: str) -> list[Series]:
        """What happened in all processes since the folder was made: the same whichever of them is asked."""
        with self._lock:
            return rendered(self.shared.merged(), now_unix_ns, service=service, environment=environment)

    def _admit(self, totals: Totals) -> None:
        """Find out as what each series is sent; what is new is noted before it is sent."""
        starts = self.shared.folded.starts
        kinds = {key.name: key.kind for key in starts if key.kind != OPERATION}
        self._merged, self._admitted = totals, Sums()
        news = False
        for known in totals.values():
            key = known.key
            if key.kind != OPERATION and kinds.setdefault(key.name, key.kind) != key.kind:
                self._complaints.add(
                    "kind conflict",
                    "metric %s is of another kind in another process; choose another name",
                    key.name,
                )
                continue
            if key not in starts:
                key = self._new(key)
                if key not in starts:
                    # It may have begun after the points' date, while all the others were read.
                    starts[key] = min(known.start_unix_ns, self._now_ns - MILLISECOND_NS)
                    self._used += _series_of(key)
                    news = True
            self._admitted.take(key, known)
        if news or self._is_unsaved:

            def keep() -> bool:
                self.shared.keep()
                return True

            self._is_unsaved = not self._quietly(keep)

    def _forget_wrong_clock(self, now_unix_ns: int) -> None:
        starts = self.shared.folded.starts
        for key, start in starts.items():
            starts[key] = min(start, now_unix_ns - MILLISECOND_NS)
        self._newest_ns = self._inherited_ns = 0
        self._is_unsaved = True

    def _new(self, key: SeriesKey) -> SeriesKey:
        if self._used + _series_of(key) <= self._max_series:
            return key
        self._complaints.add(
            "series folded" if key.kind != OPERATION else "operation folded",
            "all processes together have more than %d series (monitoring.max_series); new ones of %s are "
            "sent as %s",
            self._max_series,
            key.name,
            OVERFLOW,
        )
        if key.kind == OPERATION:
            return SeriesKey(OPERATION, OVERFLOW_NAME, ())
        fixed = {SERVICE, ENVIRONMENT}
        return key._replace(
            labels=tuple((name, text if name in fixed else OVERFLOW) for name, text in key.labels)
        )

    def _file(self) -> MappedFile | None:
        made = self._cells.made
        return made if isinstance(made, MappedFile) and made.is_open and made.size else None

    def _look(self) -> bool:
        self.shared.look()
        return True

    def _quietly(self, do: Callable[[], bool]) -> bool:
        """Do what needs the folder; a folder that can not be used is counted and logged."""
        try:
            return do()
        except OSError as error:
            self._complaints.add(
                "folder",
                "the folder of metrics %s can not be used: %s",
                self.shared.path,
                error,
            )
            return False


def _series_of(key: SeriesKey) -> int:
    return SERIES_PER_OPERATION if key.kind == OPERATION else 1
