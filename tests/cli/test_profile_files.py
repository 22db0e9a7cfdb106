"""``genesis-perf profile`` on files: what is shown, compared and converted, and what is refused."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from genesis_performance.cli.main import command
from genesis_performance.config.profiler import ProfilerConfig
from genesis_performance.errors import GenesisPerformanceError
from genesis_performance.model.profile import ProfileReport
from genesis_performance.model.stacks import Frame, StackProfile, StackRecord
from genesis_performance.profiler import PerformanceProfiler
from genesis_performance.profiler.session_file import session_bytes
from genesis_performance.render.stack_formats import FORMATS
from genesis_performance.storage import Kind, open_store, to_body

MS = 1_000_000


def stacks(spin_ms: int = 300) -> StackProfile:
    frames = (
        Frame("main", "app.py", 3, 1),
        Frame("spin", "app.py", 12, 10),
        Frame("wait", "app.py", 22, 20),
        Frame("load", "app.py", 32, 30),
    )
    return StackProfile(
        frames=frames,
        records=(
            StackRecord((0, 1), (spin_ms // 10, spin_ms * MS, spin_ms * MS), "MainThread", "checkout"),
            StackRecord((0, 2), (90, 0, 900 * MS), "Task-1", "checkout"),
            StackRecord((0, 3), (20, 200 * MS, 200 * MS), "MainThread", "start"),
            StackRecord((0,), (20, 200 * MS, 200 * MS), "MainThread", ""),
        ),
        start_unix_ns=1_700_000_000 * 10**9,
        duration_s=1.0,
        period_ns=10 * MS,
    )


def report(**changes: object) -> ProfileReport:
    given: dict[str, object] = {
        "profile_id": "one",
        "start_unix_ns": 1_700_000_000 * 10**9,
        "duration_s": 1.0,
        "operations": (),
        "resources": (),
        "repeated_calls": (),
        "findings": (),
        "cpu_count": 2.0,
        "memory_limit_bytes": 1,
        "notes": ("something could not be measured",),
        "stacks": stacks(),
    }
    return ProfileReport(**(given | changes))  # type: ignore[arg-type]


def perf(*arguments: str, given: bytes | None = None) -> Result:
    """As the command is run, but for errors of ours, which are raised to be looked at."""
    done = CliRunner().invoke(command, ["profile", *arguments], input=given)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture
def session(tmp_path: Path) -> str:
    (tmp_path / "s.json.gz").write_bytes(session_bytes(report(), compressed=True))
    return "s.json.gz"


@pytest.fixture
def slower(tmp_path: Path) -> str:
    (tmp_path / "slow.json").write_bytes(session_bytes(report(stacks=stacks(spin_ms=900)), compressed=False))
    return "slow.json"


def test_view_shows_functions_paths_and_notes(session: str) -> None:
    shown = perf("view", session).output
    assert "note: something could not be measured" in shown
    assert shown.index("spin") < shown.index("load")
    assert "checkout" in shown


def test_view_by_wall_time_shows_who_waits_first(session: str) -> None:
    shown = perf("view", session, "--clock", "wall").output
    assert shown.index("wait") < shown.index("spin")


def test_view_of_one_operation_leaves_the_others_out(session: str) -> None:
    shown = perf("view", session, "--operation", "start").output
    assert "load" in shown
    assert "spin" not in shown


def test_view_of_one_thread_leaves_the_others_out(session: str) -> None:
    shown = perf("view", session, "--thread", "Task-1", "--clock", "wall").output
    assert "wait" in shown
    assert "spin" not in shown


def test_view_of_depth_1_shows_no_path_below(session: str) -> None:
    assert "go deeper than 1 levels" in perf("view", session, "--depth", "1").output


def test_view_as_json_adds_up_to_the_whole(session: str) -> None:
    document = json.loads(perf("view", session, "--json").output)
    assert document["schema_version"] == 1
    assert sum(row["self"] for row in document["functions"]) == 700 * MS
    assert document["functions"][0]["function"] == "spin"
    assert document["operation_weights"]["start"] == [20, 200 * MS, 200 * MS]


def test_view_reads_standard_input(session: str, tmp_path: Path) -> None:
    assert "spin" in perf("view", "-", given=(tmp_path / session).read_bytes()).output


def test_view_reads_stacks_of_other_tools(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("main (a.py:3);spin (a.py:10) 100\nmain (a.py:3) 50\n")
    shown = perf("view", "other.txt").output
    assert "spin" in shown
    assert "67 %" in shown


def test_view_of_a_session_without_stacks_shows_the_rest(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_bytes(session_bytes(report(stacks=None), compressed=False))
    assert "note: something" in perf("view", "s.json").output


def test_view_writes_a_page(session: str, tmp_path: Path) -> None:
    perf("view", session, "--html", "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.startswith(("<!doctype html>", "<!DOCTYPE html>"))
    assert "spin" in page


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_is_exported_and_those_of_stacks_are_read_back(
    name: str, session: str, tmp_path: Path
) -> None:
    perf("export", session, "--format", name, "-o", "out")
    assert (tmp_path / "out").stat().st_size > 100
    if name != "html":
        assert "spin" in perf("view", "out").output


def test_collapsed_has_the_weights_of_the_clock_in_microseconds(session: str) -> None:
    lines = perf("export", session, "--format", "collapsed", "--clock", "wall", "-o", "-").output.splitlines()
    assert "main (app.py:3);wait (app.py:22) 900000" in lines
    cpu = perf("export", session, "--format", "collapsed", "-o", "-").output
    assert "wait" not in cpu
    assert "main (app.py:3);spin (app.py:12) 300000" in cpu.splitlines()


def test_an_exported_operation_has_only_its_own_stacks(session: str) -> None:
    done = perf("export", session, "--format", "collapsed", "--operation", "start", "-o", "-")
    assert done.output == "main (app.py:3);load (app.py:32) 200000\n"


def test_diff_ranks_the_function_that_changed_first(session: str, slower: str) -> None:
    shown = perf("diff", session, slower, "--basis", "absolute").output
    first = next(line for line in shown.splitlines() if "app.py" in line)
    assert first.split()[-2:] == ["spin", "app.py:10"]
    assert "+600 ms" in first


def test_diff_as_json_has_every_function(session: str, slower: str) -> None:
    document = json.loads(perf("diff", session, slower, "--basis", "absolute", "--json").output)
    assert document["rows"][0]["function"] == "spin"
    assert document["rows"][0]["self_change"] == 600 * MS
    assert document["basis"] == "absolute"


def test_diff_of_a_file_with_itself_says_that_nothing_differs(session: str) -> None:
    assert "no function differs" in perf("diff", session, session).output


def test_diff_writes_a_coloured_page(session: str, slower: str, tmp_path: Path) -> None:
    perf("diff", session, slower, "--html", "diff.html")
    assert "spin" in (tmp_path / "diff.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["view", "nothing.json"], "no file nothing.json, and no stored profile"),
        (["view", "cut.json.gz"], "cut.json.gz: it is cut off"),
        (["view", "s.json.gz", "--operation", "none"], "no samples of operation 'none'"),
        (["view", "s.json.gz", "--clock", "alloc"], "has no allocations"),
        (["view", "."], "can not be read"),
        (["view", "empty"], "empty"),
        (["export", "s.json.gz", "--format", "pprof", "-o", "missing/x"], "missing/x can not be written"),
        (["diff", "s.json.gz", "empty"], "empty"),
    ],
)
def test_what_can_not_be_done_is_said(arguments: list[str], words: str, session: str, tmp_path: Path) -> None:
    whole = (tmp_path / session).read_bytes()
    (tmp_path / "cut.json.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty").touch()
    with pytest.raises(GenesisPerformanceError, match=words.replace(".", r"\.")):
        perf(*arguments)


class TestHistory:
    def test_an_empty_store_says_how_to_fill_it(self) -> None:
        assert "no profiles yet" in perf("list").output

    def test_stored_profiles_are_listed_newest_first_and_shown_by_id(self) -> None:
        with open_store() as store:
            for number in (1, 2):
                made = report(profile_id=f"p{number}")
                store.append(Kind.PROFILE, f"p{number}/{number}", to_body(made), time.time_ns() + number)
        listed = perf("list").output
        assert listed.index("p2/2") < listed.index("p1/1")
        assert "spin" in perf("view", "p1").output
        document = json.loads(perf("list", "--limit", "1", "--json").output)
        assert [row["id"] for row in document["profiles"]] == ["p2/2"]

    def test_a_session_of_the_library_is_there(self) -> None:
        with PerformanceProfiler(ProfilerConfig(sampling_interval=0.01)) as profiler:
            profiler.stop_profiling(profiler.start_profiling("mine"))
        assert "mine/" in perf("list").output
