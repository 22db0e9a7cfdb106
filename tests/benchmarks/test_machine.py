"""The machine that a result was measured on."""

from pathlib import Path

import pytest

from genesis_performance.benchmarks.machine import _cpu_count, _processor, this_machine


def test_this_machine_is_described() -> None:
    machine = this_machine()
    assert machine.cpu_count > 0
    assert machine.processor
    assert machine.python.startswith(("CPython 3.", "PyPy 3."))


@pytest.mark.parametrize(("text", "expected"), [("150000 100000", 1.5), ("50000 100000\n", 0.5)])
def test_the_quota_of_the_control_group_limits_the_cores(tmp_path: Path, text: str, expected: float) -> None:
    limit = tmp_path / "cpu.max"
    limit.write_text(text)
    assert _cpu_count(limit) == min(expected, _cpu_count(tmp_path / "absent"))


@pytest.mark.parametrize("text", ["max 100000", "", "garbage"])
def test_no_quota_is_no_limit(tmp_path: Path, text: str) -> None:
    limit = tmp_path / "cpu.max"
    limit.write_text(text)
    assert _cpu_count(limit) == _cpu_count(tmp_path / "absent") >= 1


def test_the_processor_is_the_models_name(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n")
    assert _processor(info) == "Some CPU @ 2 GHz"
    assert _processor(tmp_path / "absent")
