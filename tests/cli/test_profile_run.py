"""``genesis-perf profile run``: the program stays what it is, and the session is written however it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from genesis_performance.model.profile import ProfileReport
from genesis_performance.profiler.session_file import read_session

COMMAND = [sys.executable, "-m", "genesis_performance.cli.main", "profile", "run"]
BUSY = """
import time
from genesis_performance.profiler import sampling_thread
def spin():
    ends, enough = time.process_time() + 0.4, sampling_thread._shared.samples + 20
    while time.process_time() < ends or sampling_thread._shared.samples < enough:
        sum(range(1000))
"""


def profiled(*arguments: str, cwd: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def started(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def script(folder: Path, text: str) -> str:
    (folder / "work.py").write_text(text)
    return "work.py"


def session(path: Path) -> ProfileReport:
    return read_session(path.read_bytes(), path.name)


def functions(report: ProfileReport) -> set[str]:
    assert report.stacks is not None
    return {
        report.stacks.frames[index].function for record in report.stacks.records for index in record.stack
    }


def test_output_and_exit_code_are_the_program_s_own(tmp_path: Path) -> None:
    work = script(tmp_path, "import sys\nprint(sys.stdin.read(), sys.argv)\nsys.exit(3)")
    done = profiled("-o", "s.json", "--", work, "--json", "-o", "x", cwd=tmp_path, given="typed")
    assert (done.returncode, done.stdout) == (3, "typed ['work.py', '--json', '-o', 'x']\n")
    assert "genesis-perf profile view s.json" in done.stderr
    assert session(tmp_path / "s.json").profile_id == "work"


def test_the_stacks_begin_in_the_script(tmp_path: Path) -> None:
    work = script(tmp_path, BUSY + "spin()")
    profiled("-o", "s.json", work, cwd=tmp_path)
    report = session(tmp_path / "s.json")
    assert report.stacks is not None
    busiest = max(report.stacks.records, key=lambda record: record.values[report.stacks.column("cpu")])
    root, next_one = (report.stacks.frames[index] for index in busiest.stack[:2])
    assert (root.function, Path(root.file).name, next_one.function) == ("<module>", "work.py", "spin")
    assert "run" not in functions(report)


def test_a_module_is_run_with_and_without_dashes(tmp_path: Path) -> None:
    for arguments in (["-m", "json.tool", "--compact"], ["--", "-m", "json.tool", "--compact"]):
        done = profiled("-o", "s.json", *arguments, cwd=tmp_path, given='{"a": 1}')
        assert (done.returncode, done.stdout) == (0, '{"a":1}\n')
        assert session(tmp_path / "s.json").profile_id == "json.tool"


def test_the_default_file_is_named_after_the_script_and_lies_where_the_command_was_given(
    tmp_path: Path,
) -> None:
    (tmp_path / "elsewhere").mkdir()
    profiled(script(tmp_path, "import os\nos.chdir('elsewhere')"), cwd=tmp_path)
    (made,) = tmp_path.glob("*.json.gz")
    assert made.name.startswith("genesis-profile-work-")
    assert not list((tmp_path / "elsewhere").iterdir())
    assert not (tmp_path / ".genesis").exists()


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("1 / 0", 1, "ZeroDivisionError"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
        ("import sys; sys.exit('bye')", 1, "bye"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM); signal.pause()", 143, ""),
        ("import sys; sys.stderr.close()", 0, ""),
        ("import sys; sys.stdout.close(); sys.stdin.close()", 0, ""),
        ("import os; os.chdir('/'); os.umask(0o77)", 0, ""),
        ("import sys; sys.path.clear()", 0, ""),
    ],
)
def test_the_session_is_written_however_the_program_ends(
    text: str, code: int, words: str, tmp_path: Path
) -> None:
    done = profiled("-o", "s.json.gz", script(tmp_path, text), cwd=tmp_path)
    assert done.returncode == code
    assert words in done.stderr
    assert "launch.py" not in done.stderr
    assert session(tmp_path / "s.json.gz").duration_s > 0


def test_modules_beside_the_script_do_not_stand_for_those_that_write_the_session(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    for name in ("gzip", "html", "statistics"):
        (beside / f"{name}.py").write_text("raise RuntimeError('not for you')")
    done = profiled("-o", "s.json.gz", f"beside/{script(beside, 'print(1)')}", cwd=tmp_path)
    assert "not for you" not in done.stderr
    assert session(tmp_path / "s.json.gz").duration_s > 0


def test_signals_at_the_end_do_not_cost_the_session(tmp_path: Path) -> None:
    text = """
import signal
def stop(*_): raise TimeoutError
signal.signal(signal.SIGALRM, stop)
signal.setitimer(signal.ITIMER_REAL, 0.2, 0.002)
signal.pause()
"""
    done = profiled("-o", "s.json.gz", script(tmp_path, text), cwd=tmp_path)
    assert "TimeoutError" in done.stderr
    assert session(tmp_path / "s.json.gz").duration_s > 0


def test_ctrl_c_ends_a_server_and_writes_its_session(tmp_path: Path) -> None:
    server = ("-m", "http.server", "--bind", "127.0.0.1", "--directory", ".", "0")
    with started("-o", "s.json", *server, cwd=tmp_path) as process:
        try:
            while not (ports := _listening(process.pid)):
                assert process.poll() is None
            with urllib.request.urlopen(f"http://127.0.0.1:{ports[0]}/", timeout=60) as answer:
                assert answer.status == 200  # it serves: before, ctrl-c would be an error of its own
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "Keyboard interrupt received" in out
    assert session(tmp_path / "s.json").duration_s > 0


def _listening(pid: int) -> list[int]:
    """Its ports."""
    connections = psutil.Process(pid).net_connections("tcp")
    return [each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN]


def test_threads_that_outlive_the_main_code_are_in_the_session(tmp_path: Path) -> None:
    text = BUSY + "import threading\nthreading.Thread(target=spin, name='late').start()"
    profiled("-o", "s.json", script(tmp_path, text), cwd=tmp_path)
    report = session(tmp_path / "s.json")
    assert report.duration_s > 0.3
    assert report.stacks is not None
    assert "late" in {record.thread for record in report.stacks.records}


def test_awaited_time_is_in_the_session(tmp_path: Path) -> None:
    text = (
        "import asyncio\nfrom genesis_performance.profiler import sampling_thread\n"
        "async def waits():\n    while sampling_thread._shared.samples < 20: await asyncio.sleep(0.05)\n"
        "async def main():\n    await asyncio.gather(waits(), waits())\nasyncio.run(main())"
    )
    profiled("-o", "s.json", script(tmp_path, text), cwd=tmp_path)
    assert "waits" in functions(session(tmp_path / "s.json"))


def test_operations_of_the_program_s_own_profiler_are_in_the_session(tmp_path: Path) -> None:
    text = (
        "from genesis_performance import PerformanceProfiler\nprofiler = PerformanceProfiler()\n"
        "for _ in range(3):\n    with profiler.profile_context('checkout'): pass"
    )
    done = profiled("-o", "s.json", script(tmp_path, text), cwd=tmp_path)
    (operation,) = session(tmp_path / "s.json").operations
    assert (operation.name, operation.count) == ("checkout", 3)
    assert "checkout" in done.stderr


def test_a_child_that_is_forked_writes_no_session(tmp_path: Path) -> None:
    text = "import os, sys\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nsys.exit(0)"
    done = profiled("-o", "s.json", script(tmp_path, text), cwd=tmp_path)
    assert done.stderr.count("look into it") == 1
    assert session(tmp_path / "s.json").duration_s > 0


def test_cpu_of_child_processes_is_noted_as_missing(tmp_path: Path) -> None:
    text = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'sum(range(5_000_000))'])"
    done = profiled("-o", "s.json", script(tmp_path, text), cwd=tmp_path)
    assert "child processes used" in done.stderr


def test_the_summary_as_json_is_the_last_line_of_stderr(tmp_path: Path) -> None:
    done = profiled("--json", "-o", "s.json", script(tmp_path, BUSY + "spin()"), cwd=tmp_path)
    summary = json.loads(done.stderr.splitlines()[-1])
    assert summary["file"] == str(tmp_path / "s.json")
    assert summary["schema_version"] == 1
    assert summary["functions"][0]["function"] == "spin"


def test_allocations_are_recorded_on_request(tmp_path: Path) -> None:
    work = script(tmp_path, "kept = [bytearray(1000) for _ in range(2000)]")
    profiled("--allocations", "-o", "s.json", work, cwd=tmp_path)
    allocations = session(tmp_path / "s.json").allocations
    assert allocations is not None
    assert any(Path(frame.file).name == "work.py" for frame in allocations.frames)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.py"], "there is no script nothing.py"),
        (["-m", "nothing"], "there is no module 'nothing'"),
        (["--", "-m"], "-m needs the name of a module"),
        (["--rate", "0", "work.py"], "--rate"),
        (["-o", "missing/s.json", "work.py"], "there is no folder"),
        (["-o", "", "work.py"], "it is a folder"),
        (["-m", ".work"], "relative to no package"),
        ([], "Missing argument"),
    ],
)
def test_a_wrong_use_runs_nothing_and_writes_nothing(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    script(tmp_path, "print('ran')")
    done = profiled(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert words in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["work.py"]


def test_pytest_runs_as_it_does_alone(tmp_path: Path) -> None:
    """Pytest warns of modules of its plugins that were loaded before it; ours is such a plugin."""
    (tmp_path / "test_one.py").write_text("def test_one():\n    assert 1 + 1 == 2")
    arguments = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "error::pytest.PytestAssertRewriteWarning",
    ]
    done = profiled("-o", "s.json", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 passed" in done.stdout
    assert "warning" not in done.stdout
