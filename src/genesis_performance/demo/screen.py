"""What the demo shows while it runs: a live screen on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

WIDTH = 100
TREND_FROM = 90  # columns; below, names need the room
INDENT = 19  # of a text in plain lines
MOST_EVENTS = 16
PROGRESS_EVERY_S = 1.9
"""Nothing is silent for longer than 2 s."""

BARS = "▁▂▃▄▅▆▇█"
COLOURS = {
    "REGRESSION": "bold red",
    "INCIDENT": "bold red",
    "FAILED": "bold red",
    "CAUSE": "bold yellow",
    "DEPLOY": "bold cyan",
    "FIX": "bold green",
    "CLOSED": "bold green",
    "CONFIRMED": "bold green",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One operation in the last seconds."""

    operation: str
    release: str
    rate_per_s: float
    p50_ms: float
    p95_ms: float
    errors: int
    trend_ms: tuple[float, ...]  # the latest 95th percentiles, oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, and was seen in the store or in the cloud."""

    at_unix_ns: int
    at_s: float  # since the demo began
    kind: str
    text: str


class Screen(Protocol):
    """Where the demo tells what happens."""

    events: list[Event]

    def say(self, kind: str, text: str) -> None:
        """Show an event and keep it."""

    def show(self, waiting_for: str, rows: Sequence[Row]) -> None:
        """Show the present state; called several times a second."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _Log:
    def __init__(self) -> None:
        self._begin = time.monotonic()
        self.events: list[Event] = []

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._begin

    def _keep(self, kind: str, text: str) -> Event:
        event = Event(at_unix_ns=time.time_ns(), at_s=self.elapsed_s, kind=kind, text=text)
        self.events.append(event)
        return event


class PlainScreen(_Log):
    """Lines of text: for pipes, logs and continuous integration."""

    def __init__(self, banner: str, out: TextIO | None = None) -> None:
        super().__init__()
        self._out = out or sys.stdout
        self._shown_at = time.monotonic()
        self._print(banner)

    def say(self, kind: str, text: str) -> None:
        event = self._keep(kind, text)
        lines = textwrap.wrap(text, WIDTH - INDENT)
        self._print(f"{event.at_s:+4.0f}s  {kind:<10}  " + f"\n{' ' * INDENT}".join(lines))

    def show(self, waiting_for: str, rows: Sequence[Row]) -> None:
        if time.monotonic() - self._shown_at < PROGRESS_EVERY_S:
            return
        slowest = max(rows, key=lambda row: row.p95_ms, default=None)
        rate = sum(row.rate_per_s for row in rows)
        live = f"; {rate:.0f} req/s, slowest p95 {slowest.p95_ms:.0f} ms" if slowest else ""
        self._print(f"{self.elapsed_s:+4.0f}s    ...       {waiting_for}{live}"[:WIDTH])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def _print(self, line: str) -> None:
        print(line, file=self._out, flush=True)
        self._shown_at = time.monotonic()


class LiveScreen(_Log):
    """A table that follows the operations, and a log below; at most 100 columns."""

    def __init__(self, banner: str) -> None:
        super().__init__()
        from rich.console import Console
        from rich.live import Live

        self._banner = banner
        self._rows: Sequence[Row] = ()
        self._waiting_for = "starting"
        console = Console(highlight=False)
        if console.width > WIDTH:
            console.width = WIDTH
        self._console: Console = console
        self._live: Live = Live(console=console, auto_refresh=False, transient=False)

    def say(self, kind: str, text: str) -> None:
        self._keep(kind, text)
        self._refresh()

    def show(self, waiting_for: str, rows: Sequence[Row]) -> None:
        self._waiting_for, self._rows = waiting_for, rows
        self._refresh()

    def __enter__(self) -> Self:
        self._live.start()
        self._refresh()
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting_for = ""
        self._refresh()
        self._live.stop()

    def _refresh(self) -> None:
        self._live.update(self._drawn(), refresh=True)

    def _drawn(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        parts: list[RenderableType] = [Text(self._banner, "reverse", overflow="ellipsis", no_wrap=True)]
        if self._rows:
            parts.append(self._table())
        parts.append(self._happened())
        if self._waiting_for:
            spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(self.elapsed_s * 8) % 10]
            text = f"\n{spinner} {self.elapsed_s:3.0f}s  {self._waiting_for}"
            parts.append(Text(text, "dim", overflow="ellipsis", no_wrap=True))
        return Group(*parts)

    def _table(self) -> RenderableType:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, header_style="bold")
        table.add_column("operation", ratio=1, overflow="ellipsis", no_wrap=True)
        table.add_column("release", width=7, no_wrap=True)
        for name, width in (("req/s", 5), ("p50 ms", 6), ("p95 ms", 6), ("errors", 6)):
            table.add_column(name, justify="right", width=width, no_wrap=True)
        has_trend = self._console.width >= TREND_FROM
        if has_trend:
            table.add_column("p95 trend", width=18, no_wrap=True)
        for row in self._rows:
            table.add_row(
                row.operation,
                row.release,
                f"{row.rate_per_s:.1f}",
                f"{row.p50_ms:.1f}",
                f"{row.p95_ms:.1f}",
                Text(str(row.errors), "bold red" if row.errors else "dim"),
                *([Text(sparkline(row.trend_ms[-18:]), "cyan")] if has_trend else []),
            )
        return table

    def _happened(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2), expand=True)
        grid.add_column(justify="right", width=5, style="dim")
        grid.add_column(width=10)
        grid.add_column(ratio=1)
        room = max(self._console.height - len(self._rows) - 10, 4) // 2
        for event in self.events[-min(MOST_EVENTS, max(room, 6)) :]:
            kind = Text(event.kind, COLOURS.get(event.kind, "bold"))
            grid.add_row(f"{event.at_s:+.0f}s", kind, Text(event.text))
        return grid


def sparkline(values: Sequence[float]) -> str:
    """The values as bars, the highest full; nothing for none."""
    top = max(values, default=0.0)
    if top <= 0:
        return ""
    return "".join(BARS[min(int(value / top * len(BARS)), len(BARS) - 1)] for value in values)


def screen(banner: str, *, live: bool) -> Screen:
    """The live screen, or plain lines."""
    return LiveScreen(banner) if live else PlainScreen(banner)
