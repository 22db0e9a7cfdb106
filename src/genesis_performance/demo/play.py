"""Play a demonstration from set-up to the end, whatever ends it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from ..errors import GenesisPerformanceError
from .screen import Screen, screen

if TYPE_CHECKING:
    from .stage import Stage

FAILED_EXIT = 1
INTERRUPTED_EXIT = 128 + signal.SIGINT
SIGTERM_EXIT = 128 + signal.SIGTERM


class _Ended(BaseException):
    """SIGTERM arrived; not an Exception, so that nothing on the way takes it for a failure."""


def play(app: str, report: Path, *, live: bool) -> int:
    """Play the demonstration of ``shop`` or ``datasette`` and return the exit code.

    Args:
        live: on a terminal: stay until Ctrl+C after the story. Otherwise end with it.
    """
    begin = time.monotonic()
    code = 0
    with _ended_by_sigterm():
        try:
            code = _played(app, report, live)
        except KeyboardInterrupt:
            code = 0 if live else INTERRUPTED_EXIT  # on a terminal it is how the demo ends
        except _Ended:
            code = SIGTERM_EXIT
    print(f"ended after {time.monotonic() - begin:.0f} s; every process of the demo is stopped")
    return code


def _played(app: str, report: Path, live: bool) -> int:
    from . import datasette_story, shop_story

    story: Callable[[Screen, Path, bool], None]
    story, banner = {
        "shop": (_shop, shop_story.BANNER),
        "datasette": (_datasette, datasette_story.BANNER),
    }[app]
    with screen(banner, live=live) as shown:
        try:
            story(shown, report, live)
        except GenesisPerformanceError as error:
            shown.say("FAILED", str(error))
            return FAILED_EXIT
    return 0


def _shop(shown: Screen, path: Path, stays: bool) -> None:
    from .report import write_report
    from .shop_story import BANNER, THRESHOLD_MS, ShopStage, tell

    with ShopStage(shown) as stage, _uninterrupted_end(stage):
        stage.set_up()
        begin = time.monotonic()
        tell(stage)
        write_report(
            stage,
            path,
            title="Shop: the checkout became slower, and was repaired",
            notice=BANNER,
            headline=(
                "Release v2 read a secret once a line item. The regression was found, its cause named "
                f"with file and line, and all was over {time.monotonic() - begin:.0f} s after set-up."
            ),
            threshold_ms=THRESHOLD_MS,
            regressions=(stage.regression,) if stage.regression else (),
        )
        shown.say("DONE", f"the whole story took {time.monotonic() - begin:.0f} s; report: {path}")
        _stay(stage.pause, stays)


def _datasette(shown: Screen, path: Path, stays: bool) -> None:
    from .datasette_story import BANNER, DatasetteStage, tell
    from .report import write_report

    with DatasetteStage(shown) as stage, _uninterrupted_end(stage):
        stage.set_up()
        begin = time.monotonic()
        tell(stage)
        write_report(
            stage,
            path,
            title="Datasette, watched through its plugin hook",
            notice=BANNER,
            headline="Operations and metrics of Datasette; no line of it was changed.",
        )
        shown.say("DONE", f"it took {time.monotonic() - begin:.0f} s; report: {path}")
        _stay(stage.pause, stays)


def _stay(pause: Callable[[float, str], None], stays: bool) -> None:
    while stays:
        pause(60.0, "live until Ctrl+C")


@contextmanager
def _uninterrupted_end(stage: Stage) -> Iterator[None]:
    """Leaving this block, for whatever reason, the clean-up that follows is not interrupted again."""
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        stage.screen.show("every process of the demo is being stopped", stage.known_rows)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl+C does; afterwards the signals are what they were."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise _Ended

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
