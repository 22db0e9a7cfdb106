"""Runs a script or module in this process as ``python SCRIPT`` would, for somebody who watches it.

The program finds what it would find alone: ``sys.argv``, ``sys.path[0]``, a fresh ``__main__`` module (which
pickle and spawned child processes need), standard input, its own exit code, and tracebacks that begin in its
own code. What differs: ``sys._getframe`` at its top level finds frames below it, and modules of ours are
loaded.

Source: https://docs.python.org/3/using/cmdline.html#interface-options and
https://docs.python.org/3/library/runpy.html
"""

from __future__ import annotations

import importlib.util
import io
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import NamedTuple

from ..config.profiler import ProfilerConfig
from ..errors import InvalidInputError
from ..frames.gathering import Gathering
from ..model.profile import ProfileReport
from ..model.stacks import Frame, StackProfile

EXIT_ERROR = 1
EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_TERMINATED = 128 + signal.SIGTERM


class Program(NamedTuple):
    """What is run."""

    target: str  # path of a script, of a folder or archive with a __main__.py; or a module's name
    arguments: tuple[str, ...] = ()
    is_module: bool = False

    @property
    def name(self) -> str:
        """For a file's name: the script without folder and suffix, or the module."""
        if self.is_module:
            return self.target
        path = Path(self.target).absolute()
        return path.parent.name if path.stem == "__main__" else path.stem


def run(program: Program) -> int:
    """Run a program to the end of its main code, and return the exit code that it would have had.

    What it raises is shown as the interpreter shows it. Its other threads may still run then. A SIGTERM that
    it does not handle itself ends it as ``sys.exit`` does, so that whoever watches learns of the end.

    Raises:
        InvalidInputError: there is no such script or module.
    """
    _make_terminable()
    try:
        load, module = _located(program)
    except InvalidInputError:
        raise
    except BaseException as error:  # noqa: BLE001 - importing the package a module is in runs its code
        return _ended(error)
    sys.modules["__main__"] = module
    try:
        exec(load(), module.__dict__)  # noqa: S102 - running it is what we are for
    except BaseException as error:  # noqa: BLE001 - it is the program's, and the interpreter takes all
        return _ended(error)
    return 0


def without_launcher(profile: StackProfile, own_files: Collection[str] = ()) -> StackProfile:
    """The stacks without the frames that launched the program; samples of nothing else are left out.

    Args:
        profile: sampled while ``run`` ran.
        own_files: whose frames belong to the launcher too, where no program runs above them.
    """
    return above(profile, lambda frame: frame.file == __file__, lambda frame: frame.file in own_files)


def above(
    profile: StackProfile, is_launcher: Callable[[Frame], bool], is_around: Callable[[Frame], bool]
) -> StackProfile:
    """Of each stack what lies above its first frames of a launcher.

    Stacks without one stay as they are (other threads), unless they have a frame of what is around it.
    """
    here = {index for index, frame in enumerate(profile.frames) if is_launcher(frame)}
    around = {index for index, frame in enumerate(profile.frames) if is_around(frame)}
    made = Gathering(profile.value_types)
    place = [made.frame(frame) for frame in profile.frames]
    for stack, values, thread, operation in profile.records:
        start = next((level for level, index in enumerate(stack) if index in here), None)
        if start is None and not around.isdisjoint(stack):
            continue
        kept = stack if start is None else itertools.dropwhile(here.__contains__, stack[start:])
        path = tuple([place[index] for index in kept])
        if path:
            made.add(path, values, thread, operation)
    return made.like(profile)


def observed(report: ProfileReport, config: ProfilerConfig) -> ProfileReport:
    """The report of a program that nobody prepared, found anew after its stacks were cut."""
    from .findings import findings

    # that such a program has no operations is no news
    notes = tuple(note for note in report.notes if not note.startswith("no operation ended"))
    report = replace(report, notes=notes, findings=())
    return replace(report, findings=findings(config, report))


def _located(program: Program) -> tuple[Callable[[], CodeType], ModuleType]:
    """The program's code and its ``__main__``; ``sys.argv`` and ``sys.path`` are the program's afterwards."""
    sys.argv = [program.target, *program.arguments]
    if program.is_module:
        sys.argv[0] = "-m"
        _set_first_path(Path.cwd())
        return _located_module(program.target)
    path = Path(program.target).absolute()
    if path.is_file():
        spec = PathFinder.find_spec("__main__", [str(path)])  # an archive is a file with modules in it
        if spec is None:
            _set_first_path(path.resolve().parent)
            return (lambda: _compiled(path)), _script_module(path)
    elif path.is_dir():
        spec = PathFinder.find_spec("__main__", [str(path)])
        if spec is None:
            raise InvalidInputError(f"the folder {program.target} has no __main__.py; name a script in it")
    else:
        raise InvalidInputError(f"there is no script {program.target}{_advice(program)}")
    _set_first_path(path)
    code = _module_code(spec, program.target)
    return (lambda: code), _module(spec)


def _advice(program: Program) -> str:
    if program.target.startswith("python"):
        return "; leave python out: the script is run by the Python of genesis-perf"
    name = program.target
    if not name.endswith(".py") and all(part.isidentifier() for part in name.split(".")):
        return f"; for a module write -m {name}"
    return ""


def _located_module(name: str) -> tuple[Callable[[], CodeType], ModuleType]:
    found = name
    if name.startswith("."):
        raise InvalidInputError(f"{name!r:.80} is relative to no package; with -m give the whole name")
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            found = f"{name}.__main__"
            spec = importlib.util.find_spec(found)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the package is there, and imports something that is not
        spec = None
    except ValueError as error:  # a relative name, or a module that was made without a spec
        raise InvalidInputError(f"{name!r:.80} can not be run with -m: {error}") from error
    if spec is None:
        what = f"the package {name} has no __main__" if found != name else f"there is no module {name!r:.80}"
        raise InvalidInputError(f"{what}; with -m name one that this Python can import")
    code = _module_code(spec, name)
    sys.argv[0] = spec.origin or name
    return (lambda: code), _module(spec)


def _module_code(spec: ModuleSpec, name: str) -> CodeType:
    code: CodeType | None = None
    get_code = getattr(spec.loader, "get_code", None)
    if get_code is not None:
        code = get_code(spec.name)
    if code is None:
        raise InvalidInputError(f"{name} has no Python code that could be run (an extension module?)")
    return code


def _module(spec: ModuleSpec) -> ModuleType:
    module = ModuleType("__main__")
    module.__spec__ = spec
    module.__loader__ = spec.loader
    module.__package__ = spec.parent
    _complete(module, spec.origin, spec.cached)
    return module


def _script_module(path: Path) -> ModuleType:
    module = ModuleType("__main__")
    module.__loader__ = SourceFileLoader("__main__", str(path))
    _complete(module, str(path), None)
    return module


def _complete(module: ModuleType, file: str | None, cached: str | None) -> None:
    import builtins

    module.__dict__.update(__annotations__={}, __builtins__=builtins, __cached__=cached)
    if file is not None:
        module.__file__ = file


def _compiled(path: Path) -> CodeType:
    with io.open_code(str(path)) as file:
        return compile(file.read(), str(path), "exec", dont_inherit=True)


def _set_first_path(path: Path) -> None:
    """With ``-P`` (safe path) the interpreter puts none there, and the program gets none."""
    if not sys.flags.safe_path:
        sys.path[:1] = [str(path)]  # in place of the folder of our own command


def _ended(error: BaseException) -> int:
    """The exit code after an exception, which is shown as the interpreter shows it."""
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF  # what the operating system keeps of it
        sys.stderr.write(f"{error.code}\n")
        return EXIT_ERROR
    trace = _program_part(error.__traceback__)
    try:
        sys.excepthook(type(error), error.with_traceback(trace), trace)
    except BaseException:  # noqa: BLE001 - the program's own hook failed: the interpreter falls back likewise
        sys.__excepthook__(type(error), error, trace)
    return EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else EXIT_ERROR


def _program_part(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without our frames and those of the import system below the program's own."""
    own = (__file__, "<frozen importlib")
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(own):
        trace = trace.tb_next
    return trace


def _make_terminable() -> None:
    """From now on SIGTERM ends the program as ``sys.exit`` does, if nobody else handles it."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)


def _end(*_: object) -> None:
    raise SystemExit(EXIT_TERMINATED)


def _die_of_sigterm() -> None:
    if signal.getsignal(signal.SIGTERM) is _end:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class _Forking(threading.local):
    """Children that are forked die of SIGTERM as without us, also of one that comes at once.

    A handler in Python would not end a child that is busy in C, and one that is taken away after the signal
    came loses it; so the signal waits while the child is made.
    """

    mask: set[int] | None = None

    def before(self) -> None:
        if signal.getsignal(signal.SIGTERM) is _end:
            self.mask = set(signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}))

    def after(self) -> None:
        mask, self.mask = self.mask, None
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def after_in_child(self) -> None:
        _die_of_sigterm()
        self.after()


_forking = _Forking()
os.register_at_fork(
    before=_forking.before, after_in_parent=_forking.after, after_in_child=_forking.after_in_child
)
