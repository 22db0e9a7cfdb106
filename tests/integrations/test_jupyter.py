"""``%%genesis_perf``: a cell runs as any other, and what is shown below it is its own time."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from genesis_performance.integrations.jupyter import CellProfile
from genesis_performance.profiler.session_file import read_session

BUSY = """
import time
from genesis_performance.profiler import sampling_thread
def spin():
    ends, shared = time.process_time() + 0.3, sampling_thread._shared
    enough = shared.samples + 20 if shared else 0
    while time.process_time() < ends or (shared and shared.samples < enough):
        sum(range(1000))
"""


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance(
        config=Config(HistoryManager={"enabled": False, "hist_file": ":memory:"})
    )
    made.run_cell("%load_ext core.performance")
    made.run_cell(BUSY)
    yield made
    made.run_cell("%unload_ext core.performance")
    InteractiveShell.clear_instance()


def shown(shell: InteractiveShell, cell: str) -> tuple[ExecutionResult, list[CellProfile], str]:
    """The result of a cell, the profiles below it, and what it printed."""
    profiles: list[CellProfile] = []
    shell.display_formatter.formatters["text/plain"].for_type(
        CellProfile, lambda each, *_: profiles.append(each)
    )
    with capture_output() as captured:
        result = shell.run_cell(cell)
    return result, profiles, captured.stdout


def test_the_result_of_the_cell_is_its_own(shell: InteractiveShell) -> None:
    result, profiles, _ = shown(shell, "%%genesis_perf\nspin()\n6 * 7")
    assert (result.result, len(profiles)) == (42, 1)


def test_a_cell_without_the_magic_shows_nothing(shell: InteractiveShell) -> None:
    assert shown(shell, "spin()")[1] == []


def test_the_stacks_begin_in_the_cell(shell: InteractiveShell) -> None:
    _, (profile,), _ = shown(shell, "%%genesis_perf\nspin()")
    stacks = profile.report.stacks
    assert stacks is not None
    busiest = max(stacks.records, key=lambda record: record.values[stacks.column("cpu")])
    assert [stacks.frames[index].function for index in busiest.stack[:2]] == ["<module>", "spin"]
    shown_files = {stacks.frames[index].file for record in stacks.records for index in record.stack}
    assert not [file for file in shown_files if "interactiveshell" in file]
    assert "spin" in repr(profile)


def test_an_error_is_shown_with_the_line_of_the_cell_and_the_profile_too(shell: InteractiveShell) -> None:
    result, profiles, text = shown(shell, "%%genesis_perf\nspin()\n1 / 0")
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    assert "ZeroDivisionError" in text
    assert re.search(r"line 3|-> *3", re.sub(r"\x1b\[[0-9;]*m", "", text))
    assert len(profiles) == 1


def test_the_time_to_show_an_error_is_not_the_cell_s(shell: InteractiveShell) -> None:
    _, (profile,), _ = shown(shell, "%%genesis_perf\nspin()\n1 / 0")
    assert "spin" in repr(profile)
    assert "traceback" not in repr(profile)


def test_await_at_top_level_is_measured_as_waiting(shell: InteractiveShell) -> None:
    cell = (
        "import asyncio\nasync def waits():\n"
        "    while sampling_thread._shared.samples < 20: await asyncio.sleep(0.05)\n"
        "    return 7\nawait waits()"
    )
    result, (profile,), _ = shown(shell, f"%%genesis_perf\n{cell}")
    assert result.result == 7
    assert "waits" in repr(profile)
    assert "wall time" in repr(profile)


@pytest.mark.parametrize("options", ["--clock never", "--rate 0", "--rate x", "--what", "'"])
def test_a_wrong_option_is_an_error_and_the_cell_does_not_run(shell: InteractiveShell, options: str) -> None:
    result, profiles, text = shown(shell, f"%%genesis_perf {options}\nprint('it ran')")
    assert isinstance(result.error_before_exec, SyntaxError)
    assert "%%genesis_perf" in str(result.error_before_exec)
    assert "it ran" not in text
    assert profiles == []


def test_the_session_is_written_on_request(shell: InteractiveShell, tmp_path: Path) -> None:
    _, (profile,), _ = shown(shell, "%%genesis_perf -o cell.json\nspin()")
    assert read_session((tmp_path / "cell.json").read_bytes(), "cell.json") == profile.report


def test_a_file_that_can_not_be_written_costs_no_profile(shell: InteractiveShell) -> None:
    result, (profile,), _ = shown(shell, "%%genesis_perf -o missing/cell.json\n42")
    assert result.result == 42
    assert "missing/cell.json" in repr(profile)


def test_the_flame_graph_is_in_a_frame_that_can_not_reach_the_notebook(shell: InteractiveShell) -> None:
    _, (profile,), _ = shown(shell, "%%genesis_perf --html\nspin()")
    shown_html = profile._repr_html_()
    assert shown_html is not None
    found = re.search(r'<iframe sandbox="allow-scripts" [^>]*srcdoc="([^"]*)"', shown_html)
    assert found is not None
    assert html.unescape(found[1]).lower().startswith("<!doctype html>")


def test_without_html_only_text_is_shown(shell: InteractiveShell) -> None:
    assert shown(shell, "%%genesis_perf\nspin()")[1][0]._repr_html_() is None


def test_the_cell_keeps_its_line_numbers(shell: InteractiveShell) -> None:
    cell = "%%genesis_perf\n\nx = 1"
    tree = ast.parse(shell.transform_cell(cell))
    assert tree.body[-1].lineno == 3


def test_operations_within_the_cell_are_shown_and_earlier_ones_are_not(shell: InteractiveShell) -> None:
    shell.run_cell(
        "from core.performance import PerformanceProfiler\nprofiler = PerformanceProfiler()\n"
        "with profiler.profile_context('before'): pass"
    )
    _, (profile,), _ = shown(shell, "%%genesis_perf\nwith profiler.profile_context('within'): pass")
    assert [each.name for each in profile.report.operations] == ["within"]


def test_other_magics_can_call_it(shell: InteractiveShell) -> None:
    assert shown(shell, "%%capture\n1")[1] == []
    _, profiles, text = shown(shell, "get_ipython().run_cell_magic('genesis_perf', '', 'print(1 + 1)')")
    assert len(profiles) == 1
    assert "2" in text


def test_loading_twice_shows_one_profile(shell: InteractiveShell) -> None:
    shell.run_cell("%load_ext core.performance")
    shell.run_cell("%reload_ext core.performance")
    assert len(shown(shell, "%%genesis_perf\n1")[1]) == 1


def test_after_unloading_the_magic_is_gone(shell: InteractiveShell) -> None:
    shell.run_cell("%unload_ext core.performance")
    _, profiles, _ = shown(shell, "%%genesis_perf\n1")
    assert profiles == []
    assert "genesis_perf" not in shell.magics_manager.magics["cell"]
