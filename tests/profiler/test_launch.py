"""A launched program finds what it finds under ``python``, and its stacks begin in its own code."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from genesis_performance.model.stacks import Frame, StackProfile, StackRecord
from genesis_performance.profiler import launch
from genesis_performance.profiler.launch import EXIT_INTERRUPTED, Program, without_launcher

LAUNCH = """
import sys
from genesis_performance.profiler.launch import Program, run
arguments = sys.argv[1:]
is_module = arguments[0] == "-m"
target, *rest = arguments[is_module:]
sys.exit(run(Program(target, tuple(rest), is_module)))
"""


def python(*arguments: str, cwd: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def launched(*arguments: str, cwd: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    return python("-c", LAUNCH, *arguments, cwd=cwd, given=given)


WORLD = """
import sys
print(__name__, __file__, __package__, __cached__, __doc__, __annotations__, type(__loader__).__name__)
print(sys.argv, sys.path[0], sys.modules["__main__"].__dict__ is globals(), __builtins__)
print(__spec__ and __spec__.name)
"""
PROGRAMS = {
    "the world": WORLD,
    "exit code": "import sys\nprint('out')\nsys.exit(3)",
    "exit code beyond a byte": "import sys\nsys.exit(259)",
    "negative exit code": "import sys\nsys.exit(-1)",
    "exit with words": "import sys\nsys.exit('bye')",
    "exit without a code": "raise SystemExit",
    "error": "def f():\n    1 / 0\n\nf()",
    "error with a cause": "try:\n    {}['x']\nexcept KeyError as e:\n    raise ValueError('y') from e",
    "group of errors": "raise ExceptionGroup('two', [ValueError(1), TypeError(2)])",
    "syntax error": "x = (",
    "own hook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0], a[2].tb_lineno)\n1 / 0",
    "hook that fails": "import sys\ndef h(*a): raise OSError\nsys.excepthook = h\n",
    "stdin": "import sys\nprint(sys.stdin.read().upper())",
    "encoding": "# -*- coding: latin-1 -*-\nprint(len('ä'))",
    "pickle": "import pickle\nclass C: pass\nprint(type(pickle.loads(pickle.dumps(C()))).__module__)",
    "asyncio": "import asyncio\nasync def main():\n    print(await asyncio.sleep(0, 1))\nasyncio.run(main())",
    "thread that outlives the main code": (
        "import threading, time\n"
        "def late():\n    threading.main_thread().join(); print('late')\n"
        "threading.Thread(target=late).start(); print('main')"
    ),
    "executor that nobody shuts down": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "print(ThreadPoolExecutor(2).submit(pow, 2, 5).result())"
    ),
    "exit functions": "import atexit\natexit.register(print, 'exit function')\nprint('main')",
    "spawned children": (
        "import multiprocessing\ndef double(x): return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(double, [1, 2]))"
    ),
    "forked children": (
        "import multiprocessing\ndef double(x): return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('fork').Pool(1) as pool: print(pool.map(double, [1, 2]))"
    ),
    "terminated child": (
        "import multiprocessing, signal, time\n"
        "context = multiprocessing.get_context('fork')\n"
        "child = context.Process(target=signal.pause)\n"
        "child.start(); child.terminate(); child.join(); print(child.exitcode)"
    ),
}


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_a_script_does_what_it_does_under_python(text: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(text, encoding="latin-1")
    (tmp_path / "beside.py").write_text("")
    alone = python("script.py", "a", "--b", cwd=tmp_path, given="typed")
    ours = launched("script.py", "a", "--b", cwd=tmp_path, given="typed")
    assert (ours.returncode, ours.stdout, ours.stderr) == (alone.returncode, alone.stdout, alone.stderr)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "__init__.py").write_text("print('package imported')")
    (folder / "__main__.py").write_text(WORLD.replace("__cached__, ", "").replace("__annotations__, ", ""))
    (folder / "part.py").write_text("from . import __main__\nprint(__package__, __spec__.name)")
    (folder / "needs.py").write_text("import nowhere_to_be_found")
    return tmp_path


@pytest.mark.parametrize("name", ["package", "package.part", "json.tool"])
def test_a_module_does_what_it_does_under_python(name: str, package: Path) -> None:
    alone = python("-m", name, "-h", cwd=package)
    ours = launched("-m", name, "-h", cwd=package)
    assert (ours.returncode, ours.stdout, ours.stderr) == (alone.returncode, alone.stdout, alone.stderr)


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_folder_or_archive_with_a_main_does_what_it_does_under_python(kind: str, tmp_path: Path) -> None:
    if kind == "folder":
        (tmp_path / "app").mkdir()
        (tmp_path / "app" / "__main__.py").write_text(WORLD)
        (tmp_path / "app" / "beside.py").write_text("")
    else:
        with zipfile.ZipFile(tmp_path / "app", "w") as archive:
            archive.writestr("__main__.py", WORLD)
    alone, ours = python("app", "a", cwd=tmp_path), launched("app", "a", cwd=tmp_path)
    assert ours.returncode == 0, ours.stderr
    assert ours.stdout.splitlines()[1:] == alone.stdout.splitlines()[1:]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.py"], "there is no script nothing.py$"),
        (["nothing"], "for a module write -m nothing"),
        (["python", "x.py"], "leave python out"),
        (["-m", "nothing.here"], "there is no module 'nothing.here'"),
        (["-m", "email"], "the package email has no __main__"),
        (["-m", "_json"], "no Python code"),
        (["."], "has no __main__.py"),
    ],
)
def test_what_is_not_there_is_named(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = launched(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.startswith("genesis_performance.errors.InvalidInputError")
    assert words.rstrip("$") in last
    assert not words.endswith("$") or last.endswith(words[:-1])


def test_an_import_that_fails_within_the_package_is_the_program_s_error(package: Path) -> None:
    done = launched("-m", "package.needs", cwd=package)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith("Traceback")
    assert "launch.py" not in done.stderr
    assert "No module named 'nowhere_to_be_found'" in done.stderr


def test_an_interrupt_is_shown_and_ends_as_in_a_shell(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("raise KeyboardInterrupt")
    done = launched("script.py", cwd=tmp_path)
    assert done.returncode == EXIT_INTERRUPTED == 130
    assert done.stderr.splitlines()[-1] == "KeyboardInterrupt"


def test_sigterm_ends_the_program_through_its_finally_blocks(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGTERM)\n    signal.pause()\n"
        "finally:\n    print('cleaned up')"
    )
    done = launched("script.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (143, "cleaned up\n")


def test_a_program_with_a_sigterm_handler_of_its_own_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import os, signal\nsignal.signal(signal.SIGTERM, lambda *_: print('own'))\n"
        "os.kill(os.getpid(), signal.SIGTERM)"
    )
    done = launched("script.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "own\n")


@pytest.mark.parametrize(
    ("program", "name"),
    [
        (Program("some/work.py"), "work"),
        (Program("shop/__main__.py"), "shop"),
        (Program("json.tool", (), is_module=True), "json.tool"),
    ],
)
def test_a_program_has_a_short_name(program: Program, name: str) -> None:
    assert program.name == name


CLI, HERE, IMPORT, SCRIPT, THREAD = (
    Frame("main", "cli.py", 9),
    Frame("run", launch.__file__, 60),
    Frame("_find_spec", "<frozen importlib._bootstrap>", 1),
    Frame("<module>", "script.py", 4),
    Frame("Thread._bootstrap", "threading.py", 2),
)
PROFILE_FRAMES = (CLI, HERE, IMPORT, SCRIPT, THREAD)


@pytest.mark.parametrize(
    ("stack", "left"),
    [
        ((0, 1, 1, 3), ["<module>"]),
        ((0, 1, 2, 3), ["_find_spec", "<module>"]),
        ((0, 1, 3, 1, 3), ["<module>", "run", "<module>"]),
        ((4, 3), ["Thread._bootstrap", "<module>"]),
        ((0, 1), []),
        ((0,), []),
    ],
    ids=[
        "script",
        "import of a package",
        "launched within",
        "other thread",
        "launcher alone",
        "command alone",
    ],
)
def test_stacks_begin_in_the_program(stack: tuple[int, ...], left: list[str]) -> None:
    profile = StackProfile(frames=PROFILE_FRAMES, records=(StackRecord(stack, (1, 10, 10), "t"),))
    cut = without_launcher(profile, {"cli.py"})
    assert [[cut.frames[index].function for index in each.stack] for each in cut.records] == (
        [left] if left else []
    )


def test_stacks_that_become_equal_are_added_up() -> None:
    records = (StackRecord((0, 1, 3), (1, 10, 20), "t"), StackRecord((1, 3), (2, 1, 2), "t"))
    cut = without_launcher(StackProfile(frames=PROFILE_FRAMES, records=records))
    assert [record.values for record in cut.records] == [(3, 11, 22)]
