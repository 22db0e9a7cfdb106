"""Session files: what was written is read back equal, and what is no session is refused in words."""

from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.errors import InvalidInputError
from genesis_performance.model.advice import Evidence, Finding, Severity
from genesis_performance.model.operation import Histogram, OperationSnapshot
from genesis_performance.model.profile import GcActivity, ProfileReport, ResourceSample, SamplerActivity
from genesis_performance.model.stacks import Frame, StackProfile, StackRecord
from genesis_performance.profiler.session_file import (
    KEY,
    VERSION,
    is_session,
    read_session,
    session_bytes,
    write_session,
)


def report(function: str = "spin", operation: str = "checkout") -> ProfileReport:
    stacks = StackProfile(
        frames=(Frame("main", "app.py", 3, 1), Frame(function, "app.py", 12, 10)),
        records=(StackRecord((0, 1), (4, 40_000_000, 41_000_000), "MainThread", operation),),
        start_unix_ns=5,
        duration_s=0.5,
        period_ns=10_000_000,
        lost={"frames below the depth limit": 2},
    )
    snapshot = OperationSnapshot(
        name=operation,
        labels=(("region", "eu"),),
        count=2,
        errors=1,
        error_types={"ValueError": 1},
        sum_ns=90,
        min_ns=40,
        max_ns=50,
        histogram=Histogram({33: 2}),
        cpu_ns=None,
        start_unix_ns=1,
    )
    sample = ResourceSample(
        at_unix_ns=7,
        cpu_percent=99.5,
        memory_bytes=1,
        memory_percent=0.1,
        read_bytes=0,
        write_bytes=0,
        threads=2,
        context_switches=4,
    )
    finding = Finding(
        rule="profiler/cpu",
        severity=Severity.WARNING,
        resource="process",
        title="busy",
        reason="99 %",
        file="app.py",
        line=12,
        evidence=(Evidence(name="cpu_percent", value=99.5),),
    )
    return ProfileReport(
        profile_id="one",
        start_unix_ns=5,
        duration_s=0.5,
        operations=(snapshot,),
        resources=(sample,),
        repeated_calls=(),
        findings=(finding,),
        cpu_count=2.0,
        memory_limit_bytes=1,
        stacks=stacks,
        sampler=SamplerActivity(asked_hz=100, samples=4, duration_s=0.5, cpu_s=0.001),
        gc=GcActivity(collections=(1, 2, 3), by_operation={operation: 5}),
        labels={"program": "app"},
    )


@pytest.mark.parametrize("name", ["s.json", "s.json.gz"])
def test_a_session_is_read_back_equal(tmp_path: Path, name: str) -> None:
    write_session(report(), tmp_path / name)
    data = (tmp_path / name).read_bytes()
    assert data.startswith(b"\x1f\x8b") == name.endswith(".gz")
    assert is_session(data)
    assert read_session(data, name) == report()


@given(st.text(), st.text())
def test_any_name_survives(function: str, operation: str) -> None:
    made = report(function, operation)
    assert read_session(session_bytes(made, compressed=False), "s") == made


@pytest.mark.parametrize("name", ["\ud800", "<script>", "a\0b", "x" * 10_000, "🔥"])
def test_names_that_break_other_formats_survive(name: str) -> None:
    assert read_session(session_bytes(report(name), compressed=True), "s") == report(name)


def test_equal_reports_make_equal_files() -> None:
    assert session_bytes(report(), compressed=True) == session_bytes(report(), compressed=True)


@given(st.data())
def test_a_cut_file_is_refused_with_its_name(data: st.DataObject) -> None:
    whole = session_bytes(report(), compressed=data.draw(st.booleans()))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(InvalidInputError, match=r"half\.json"):
        read_session(cut, "half.json")


@given(st.binary())
def test_foreign_bytes_are_refused(data: bytes) -> None:
    assert not is_session(data)
    with pytest.raises(InvalidInputError, match="foreign"):
        read_session(data, "foreign")


def test_a_newer_file_says_to_upgrade() -> None:
    newer = json.dumps({KEY: VERSION + 1, "report": {}}).encode()
    with pytest.raises(InvalidInputError, match="upgrade"):
        read_session(newer, "s")


@pytest.mark.parametrize("version", [0, -1, "1", None, [1]])
def test_a_version_that_never_was_is_refused(version: object) -> None:
    with pytest.raises(InvalidInputError, match="never was"):
        read_session(json.dumps({KEY: version, "report": {}}).encode(), "s")


def changed(**stacks: object) -> bytes:
    document = json.loads(session_bytes(report(), compressed=False))
    document["report"]["stacks"].update(stacks)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "records",
    [[[[0, 9], [1, 2, 3], "", ""]], [[[-1], [1, 2, 3], "", ""]], [[[0], [1, 2], "", ""]]],
    ids=["frame beyond", "negative frame", "value missing"],
)
def test_an_index_out_of_bounds_is_refused(records: object) -> None:
    with pytest.raises(InvalidInputError, match="frames that it does not have"):
        read_session(changed(records=records), "s")


@pytest.mark.parametrize("body", [{}, [], None, {"profile_id": 3}])
def test_a_body_that_is_no_report_is_refused(body: object) -> None:
    with pytest.raises(InvalidInputError, match=r"s\.json"):
        read_session(json.dumps({KEY: VERSION, "report": body}).encode(), "s.json")


def test_fields_of_a_later_version_are_ignored() -> None:
    document = json.loads(session_bytes(report(), compressed=False))
    document["report"]["brand_new"] = 1
    assert read_session(json.dumps(document).encode(), "s") == report()


def test_a_file_that_is_replaced_is_never_half_there(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    write_session(report("first"), path)
    before = path.stat().st_ino
    write_session(report("second"), path)
    assert path.stat().st_ino != before  # another file took its place in one step
    assert [each.name for each in tmp_path.iterdir()] == ["s.json"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    write_session(report(), tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert is_session((tmp_path / "real.json").read_bytes())


def test_a_pipe_is_written_as_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_session(report(), tmp_path / "pipe")
    reader.join()
    assert read_session(read[0], "pipe") == report()


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"missing/s\.json: No such file"):
        write_session(report(), tmp_path / "missing" / "s.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InvalidInputError, match="directory"):
        write_session(report(), tmp_path / "folder")


def test_a_later_program_can_read_the_file_without_us(tmp_path: Path) -> None:
    write_session(report(), tmp_path / "s.json.gz")
    document = json.loads(gzip.decompress((tmp_path / "s.json.gz").read_bytes()))
    assert document["report"]["stacks"]["frames"][1] == ["spin", "app.py", 12, 10]
