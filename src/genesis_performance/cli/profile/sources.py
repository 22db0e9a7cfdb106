"""What the commands read and write: sessions, files of other tools, stored profiles, standard streams."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import InvalidInputError, NoDataError

if TYPE_CHECKING:
    from ...model.profile import ProfileReport
    from ...model.stacks import StackProfile
    from ...storage import Record

STREAM = "-"
CLOCKS = click.Choice(["cpu", "wall", "alloc"])
clock_option = click.option(
    "--clock",
    type=CLOCKS,
    help="cpu, wall (with awaited time) or alloc; by default what the program used most.",
)
operation_option = click.option("--operation", metavar="NAME", help="Only the samples of one operation.")
thread_option = click.option("--thread", metavar="NAME", help="Only the samples of one thread or task.")
source_argument = click.argument("source", metavar="FILE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Stacks, and the session they are of where it is known."""

    name: str
    stacks: StackProfile | None
    report: ProfileReport | None = None

    def of(self, clock: str, operation: str | None = None, thread: str | None = None) -> StackProfile:
        """The stacks that answer for a clock, cut down to an operation and a thread.

        Raises:
            NoDataError: none were recorded.
            UnknownNameError: there is no such operation or thread.
        """
        from ...frames import of_operation, of_thread

        found = self.stacks
        if clock == "alloc" and self.report is not None:
            found = self.report.allocations
            if found is None:
                raise NoDataError(
                    f"{self.name} has no allocations; record them with profile run --allocations"
                )
        if found is None:
            raise NoDataError(f"{self.name} has no stacks; record them with profiler.stack_rate_hz above 0")
        if operation is not None:
            found = of_operation(found, operation)
        return found if thread is None else of_thread(found, thread)

    def clock(self, wanted: str | None) -> str:
        """The clock that was asked for, or the one that explains most."""
        from ...profiler.clock_choice import hottest_clock

        if wanted is not None:
            return wanted
        return hottest_clock(self.report) if self.report is not None else "cpu"


def read_source(text: str) -> Source:
    """A session file, a file of another tool, ``-`` for standard input, or the id of a stored profile.

    Raises:
        InvalidInputError: there is none, or it can not be read.
    """
    from ...frames.importers import read_stacks
    from ...profiler.session_file import is_session, read_session

    if text == STREAM:
        name, data = "standard input", sys.stdin.buffer.read()
    elif Path(text).exists():
        name, data = text, _content(Path(text))
    else:
        return _stored(text)
    if is_session(data):
        report = read_session(data, name)
        return Source(name=name, stacks=report.stacks, report=report)
    return Source(name=name, stacks=read_stacks(data, name=name))


def stored_profiles(limit: int | None = None) -> list[Record]:
    """The reports in the history store, newest first."""
    from ...storage import Kind, open_store

    with open_store() as store:
        return store.list(Kind.PROFILE, limit=limit)


def write_output(output: str, data: str | bytes) -> None:
    """To a file in one step, or to standard output.

    Raises:
        InvalidInputError: it can not be written, or is binary and would go to a terminal.
    """
    from ...profiler.session_file import write_whole

    binary = data if isinstance(data, bytes) else data.encode("utf-8", "backslashreplace")
    if output == STREAM:
        if isinstance(data, bytes) and sys.stdout.isatty():
            raise InvalidInputError("this format is binary and would go to the terminal; give a file with -o")
        click.echo(binary, nl=False)
        return
    try:
        write_whole(Path(output), binary)
    except OSError as error:
        raise InvalidInputError(f"{output} can not be written: {error.strerror}") from error


def echo_json(document: dict[str, Any]) -> None:
    """One JSON document on standard output."""
    import json

    click.echo(json.dumps({"schema_version": 1, **document}, indent=1))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"{path} can not be read: {error.strerror}") from error


def _stored(text: str) -> Source:
    from ...profiler.session_file import report_of

    for record in stored_profiles():
        if text in (record.key, record.key.partition("/")[0]):
            report = report_of(record.body)
            return Source(name=text, stacks=report.stacks, report=report)
    raise InvalidInputError(
        f"there is no file {text}, and no stored profile of that id; see: genesis-perf profile list"
    )
