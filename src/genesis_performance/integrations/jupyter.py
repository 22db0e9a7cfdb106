"""``%%genesis_perf`` for Jupyter and IPython: where the time of a cell went, below the cell.

::

    %load_ext core.performance

    %%genesis_perf --html
    result = work()

The cell runs as any other: its magic line is taken away before it is compiled, and a session is started and
stopped around it by IPython's events. So results, errors, line numbers and ``await`` at top level are as
usual.

Source: https://ipython.readthedocs.io/en/stable/config/callbacks.html and
https://ipython.readthedocs.io/en/stable/config/inputtransforms.html
"""

from __future__ import annotations

import argparse
import html
import re
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from ..errors import InvalidInputError

if TYPE_CHECKING:
    from ..config.profiler import ProfilerConfig
    from ..model.profile import ProfileReport
    from ..operations import Recorder
    from ..profiler.session import Session

MAGIC = "genesis_perf"
WIDTH = 100
FRAME_HEIGHT_PX = 640

_LINE = re.compile(rf"\A\s*%%{MAGIC}\b[ \t]*([^\n]*)")
_SHELLS = ("IPython", "ipykernel", "ipykernel_launcher")  # packages whose frames carry the cell's
_loaded: dict[int, _Magic] = {}  # by the shell's identity


def load_ipython_extension(shell: Any) -> None:
    """Called by ``%load_ext``; loading twice changes nothing."""
    if id(shell) not in _loaded:
        _loaded[id(shell)] = _Magic(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Called by ``%unload_ext``."""
    magic = _loaded.pop(id(shell), None)
    if magic is not None:
        magic.close()


class CellProfile:
    """What is shown below a cell: a table everywhere, with ``--html`` the flame graph where HTML is shown."""

    def __init__(self, report: ProfileReport, clock: str, *, with_graph: bool) -> None:
        self.report = report
        self._clock = clock
        self._with_graph = with_graph

    def __repr__(self) -> str:
        from ..render.profile_text import profile_text

        report = self.report
        if report.stacks is None:
            text = "No stacks were sampled.\n"
        else:
            text = profile_text(report.stacks, clock=self._clock, width=WIDTH, rows=10, depth=12)
        said = [f"{each.severity}: {each.title}: {each.reason}" for each in report.findings]
        return text + "".join(f"{line}\n" for line in (*said, *(f"note: {note}" for note in report.notes)))

    def _repr_html_(self) -> str | None:
        """The table, and the page in a frame that can reach nothing of the notebook."""
        if not self._with_graph or self.report.stacks is None:
            return None  # plain text is shown then
        from ..render.flame_graph import flame_graph

        page = flame_graph(self.report.stacks, title="Cell", report=self.report)
        return (
            f"<pre>{html.escape(repr(self))}</pre>"
            f'<iframe sandbox="allow-scripts" title="Flame graph of the cell" srcdoc="{html.escape(page)}" '
            f'style="width:100%;height:{FRAME_HEIGHT_PX}px;border:0"></iframe>'
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What the magic line asks for."""

    html: bool
    clock: str | None
    rate: float | None
    output: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """A session around a cell."""

    session: Session
    config: ProfilerConfig
    wanted: _Wanted


class _Parser(argparse.ArgumentParser):
    """Raises instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _parsed(line: str) -> _Wanted:
    """The options of a magic line.

    Raises:
        SyntaxError: one is wrong, which IPython shows in place of running the cell.
    """
    parser = _Parser(prog=f"%%{MAGIC}", add_help=False, allow_abbrev=False)
    parser.add_argument("--html", action="store_true")
    parser.add_argument("--clock", choices=("cpu", "wall"))
    parser.add_argument("--rate", type=float)
    parser.add_argument("-o", dest="output", metavar="FILE")
    try:
        found = parser.parse_args(shlex.split(line))
        if found.rate is not None and not 0 < found.rate <= 1000:
            parser.error(f"--rate is {found.rate:g}, it must be above 0 and at most 1000")
    except ValueError as error:  # of shlex, a quotation that does not end
        usage = "[--html] [--clock cpu|wall] [--rate HZ] [-o FILE]"
        raise SyntaxError(f"%%{MAGIC}: {error}; it takes {usage}") from None
    return _Wanted(html=found.html, clock=found.clock, rate=found.rate, output=found.output)


class _Magic:
    """Registered in one shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._running: _Running | None = None
        shell.input_transformers_cleanup.append(self._without_magic_line)
        shell.events.register("pre_run_cell", self._begin)
        shell.events.register("post_run_cell", self._end)
        # for %lsmagic, completion, and calls by other magics
        shell.register_magic_function(self._call, magic_kind="cell", magic_name=MAGIC)

    def close(self) -> None:
        self._shell.input_transformers_cleanup.remove(self._without_magic_line)
        self._shell.events.unregister("pre_run_cell", self._begin)
        self._shell.events.unregister("post_run_cell", self._end)
        self._shell.magics_manager.magics["cell"].pop(MAGIC, None)

    def _call(self, line: str, cell: str) -> None:
        """Show where a cell's time goes: %%genesis_perf [--html] [--clock cpu|wall] [--rate HZ] [-o FILE]"""
        self._shell.run_cell(f"%%{MAGIC} {line}\n{cell}")

    def _without_magic_line(self, lines: list[str]) -> list[str]:
        """Called also to see whether a cell is complete, so it starts nothing."""
        found = _LINE.match(lines[0]) if lines else None
        if found is None:
            return lines
        _parsed(found[1])
        return ["\n", *lines[1:]]  # the lines of the cell keep their numbers

    def _begin(self, info: Any) -> None:
        found = _LINE.match(info.raw_cell or "")
        if found is None or self._running is not None:
            return
        import msgspec

        from ..config import settings
        from ..profiler.all_recorders import AllRecorders
        from ..profiler.session import Session

        try:
            wanted = _parsed(found[1])
        except SyntaxError:
            return  # it is shown already
        rate = {} if wanted.rate is None else {"stack_rate_hz": wanted.rate}
        config = msgspec.structs.replace(settings().profiler, enabled=True, **rate)
        everything = cast("Recorder", AllRecorders())  # a session only reads from it
        session = Session("cell", everything, config)
        self._running = _Running(session=session, config=config, wanted=wanted)

    def _end(self, _: Any) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        from IPython.display import display

        from ..profiler.clock_choice import hottest_clock
        from ..profiler.session_file import write_session

        report = self._report(running)
        if running.wanted.output is not None:
            try:
                write_session(report, Path(running.wanted.output))
            except InvalidInputError as error:
                report = replace(report, notes=(*report.notes, str(error)))
        clock = running.wanted.clock or hottest_clock(report)
        display(CellProfile(report, clock, with_graph=running.wanted.html))  # type: ignore[no-untyped-call]

    def _report(self, running: _Running) -> ProfileReport:
        """Without the frames of the shell below the cell, and without the kernel's own threads and tasks."""
        from ..frames.paths import library_of
        from ..profiler.launch import above, observed

        report = running.session.stop()
        if report.stacks is None:
            return observed(report, running.config)
        shell_file = sys.modules["IPython.core.interactiveshell"].__file__
        stacks = above(
            report.stacks,
            lambda frame: frame.file == shell_file and frame.function.endswith("run_code"),
            lambda frame: frame.file == __file__ or library_of(frame.file)[0] in _SHELLS,
        )
        # what the shell does after the cell, such as showing its error
        records = tuple(each for each in stacks.records if stacks.frames[each.stack[0]].file != shell_file)
        # the kernel's loop is held by every cell that does not await: that is no finding
        report = replace(report, stacks=replace(stacks, records=records), loop_blocks=())
        return observed(report, running.config)
