"""``genesis-perf profile run``: a program that nobody prepared, under a profiling session."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import click

from ...errors import GenesisPerformanceError, InvalidInputError

if TYPE_CHECKING:
    from ...config.profiler import ProfilerConfig
    from ...model.profile import ProfileReport
    from ...operations import Recorder
    from ...profiler.session import Session

LEAST_CHILDREN_S = 0.01


@click.command("run", context_settings={"allow_interspersed_args": False})
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED, metavar="[--] SCRIPT [ARGS]...")
@click.option("-m", "is_module", is_flag=True, help="SCRIPT is the name of a module, as in python -m.")
@click.option(
    "-o",
    "output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Session file; by default genesis-profile-SCRIPT-TIME.json.gz here.",
)
@click.option("--rate", type=click.FloatRange(1, 1000), help="Stack samples a second; 100 by default.")
@click.option(
    "--fidelity",
    type=click.Choice(["high", "standard"]),
    help="standard leaves the switch interval alone: samples then fall where the GIL is released.",
)
@click.option("--allocations", is_flag=True, help="Record which lines allocate memory; slows the program.")
@click.option("--json", "as_json", is_flag=True, help="The summary as one line of JSON on stderr.")
@click.pass_context
def run(
    context: click.Context,
    *,
    program: tuple[str, ...],
    is_module: bool,
    output: Path | None,
    rate: float | None,
    fidelity: str | None,
    allocations: bool,
    as_json: bool,
) -> None:
    """Run a script or module as python does, and write where its time went.

    The program's output, input and exit code are its own; the summary goes to stderr. The session file is
    written however the program ends, by an error, Ctrl-C or SIGTERM too, but not after os._exit or SIGKILL.
    """
    from ...config import settings
    from ...profiler.launch import Program
    from ...profiler.launch import run as run_program

    if not is_module and program[0] == "-m":
        is_module, program = True, program[1:]
        if not program:
            raise click.UsageError("-m needs the name of a module")
    what = Program(program[0], program[1:], is_module)
    changes: dict[str, object] = {"enabled": True}
    if rate is not None:
        changes["stack_rate_hz"] = rate
    if fidelity is not None:
        changes["fidelity"] = fidelity
    if allocations:
        changes["trace_allocations"] = True
    import msgspec

    config = msgspec.structs.replace(settings().profiler, **changes)
    ending = _Ending(config, what.name, _writable(output or _default_file(what.name)), as_json=as_json)
    # At the very end of the interpreter, which waits for the program's threads before: after its own exit
    # functions, because what is registered first is called last.
    atexit.register(ending)
    try:
        ending.begin(what)
        code = run_program(what)
    except GenesisPerformanceError:
        ending.cancel()
        raise
    context.exit(code)


class _Ending:
    """Ends the session when the interpreter ends."""

    def __init__(self, config: ProfilerConfig, name: str, path: Path, *, as_json: bool) -> None:
        self._config = config
        self._name = name
        self._path = path
        self._shown_path = _relative(path)
        self._as_json = as_json
        self._pid = os.getpid()
        self._children_s = _children_cpu_s()
        self._path_list = list(sys.path)
        self._session: Session | None = None

    def begin(self, program: object) -> None:
        from ...profiler.all_recorders import AllRecorders
        from ...profiler.session import Session

        # stands for a recorder: a session only reads from it
        everything = cast("Recorder", AllRecorders())
        self._session = Session(self._name, everything, self._config)

    def cancel(self) -> None:
        """The program did not start: there is nothing to write."""
        if self._session is not None:
            self._session.stop()
        self._session = None

    def __call__(self) -> None:
        for _ in range(1000):
            try:
                self._end()
                return
            except BaseException:  # noqa: BLE001, S112 - of a handler of the program's, not replaced yet
                continue

    def _end(self) -> None:
        if self._session is None or os.getpid() != self._pid:  # a child that was forked is not the program
            return
        with _undisturbed():
            # What the program made of sys.path is its own: no module of its folder stands for one of ours.
            sys.path[:] = self._path_list
            stderr = sys.__stderr__  # whatever the program made of sys.stderr
            try:
                self._write(self._session, stderr)
            except GenesisPerformanceError as error:
                _say(stderr, f"genesis-perf: {error}")
            except Exception as error:  # noqa: BLE001 - the program may have left anything behind
                _say(stderr, f"genesis-perf: the session is lost: {type(error).__name__}: {error}")

    def _write(self, session: Session, stderr: TextIO | None) -> None:
        from ...profiler.session_file import write_session

        report = self._report(session)
        write_session(report, self._path)
        from .summary import summary_document, summary_text

        if self._as_json:
            _say(stderr, json.dumps(summary_document(report, str(self._path))))
        else:
            _say(stderr, summary_text(report, self._shown_path))

    def _report(self, session: Session) -> ProfileReport:
        from ...profiler.launch import observed, without_launcher
        from ..main import __file__ as main_file

        report = session.stop()
        children_s = _children_cpu_s() - self._children_s
        if children_s > LEAST_CHILDREN_S:
            note = f"child processes used {children_s:.2f} s of CPU that is not in this profile"
            report = replace(report, notes=(*report.notes, note))
        if report.stacks is not None:
            report = replace(report, stacks=without_launcher(report.stacks, {__file__, main_file}))
        return observed(report, self._config)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """No handler of the program's, and no second Ctrl-C, cuts off what is done meanwhile."""
    handled = [number for number in signal.valid_signals() if callable(signal.getsignal(number))]
    for number in handled:
        signal.signal(number, _ignore)
    try:
        yield
    finally:
        for number in {signal.SIGINT, signal.SIGTERM}.intersection(handled):
            signal.signal(number, signal.SIG_DFL)  # the process ends: there is nothing more to save


def _ignore(*_: object) -> None:
    """Not SIG_IGN: with that a child's end would not be waited for."""


def _default_file(name: str) -> Path:
    kept = "".join(each if each.isalnum() or each in "._-" else "-" for each in name)[:80] or "program"
    stem = f"genesis-profile-{kept}-{time.strftime('%Y%m%d-%H%M%S')}"
    path = Path(f"{stem}.json.gz")
    return Path(f"{stem}-{os.getpid()}.json.gz") if path.exists() else path


def _writable(path: Path) -> Path:
    """The path as it is after the program changed its working directory.

    Raises:
        InvalidInputError: it can not be written; better now than after an hour.
    """
    whole = path.absolute()
    folder = whole.parent
    if not folder.is_dir():
        raise InvalidInputError(f"the session can not be written to {path}: there is no folder {folder}")
    if whole.is_dir():
        raise InvalidInputError(
            f"the session can not be written to {whole}: it is a folder; name a file with -o"
        )
    if not os.access(whole if whole.exists() else folder, os.W_OK):
        raise InvalidInputError(f"the session can not be written to {path}: permission denied; use -o")
    return whole


def _relative(path: Path) -> str:
    """As short as it can be typed in the folder where the command was given."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _children_cpu_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _say(stream: TextIO | None, text: str) -> None:
    """The program may have closed its stderr, or nobody may read it."""
    try:
        if stream is not None:
            stream.write(text + "\n")
            stream.flush()
    except (OSError, ValueError):
        return
