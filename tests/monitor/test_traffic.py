"""Labelled stretches of traffic: every fault found within one window, nothing else, none twice.

``./run bench monitor`` plays a hundred.
"""

import logging
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

traffic = pytest.importorskip("bench.monitor.traffic", reason="needs the repository's bench folder")

COUNT = 40


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list["traffic.Outcome"]]:
    logging.disable(logging.WARNING)  # clocks are set on purpose
    folder: Path = tmp_path_factory.mktemp("stores")
    yield [traffic.play(scenario, folder) for scenario in traffic.scenarios(COUNT)]
    logging.disable(logging.NOTSET)


def test_every_fault_is_found_within_one_window(outcomes: list["traffic.Outcome"]) -> None:
    assert sum(len(one.scenario.faults) for one in outcomes) >= COUNT / 2
    late = [
        (one.scenario.name, one.scenario.seed, one.missed, one.found_after_s)
        for one in outcomes
        if one.missed or max(one.found_after_s, default=0) > traffic.WINDOW_S
    ]
    assert late == []


def test_nothing_else_is_opened(outcomes: list["traffic.Outcome"]) -> None:
    assert [(one.scenario.name, one.scenario.seed, one.false) for one in outcomes if one.false] == []


def test_nothing_flaps(outcomes: list["traffic.Outcome"]) -> None:
    assert [(one.scenario.name, one.scenario.seed, one.flaps) for one in outcomes if one.flaps] == []


def test_what_is_over_closes(outcomes: list["traffic.Outcome"]) -> None:
    closed = [after_s for one in outcomes for after_s in one.closed_after_s]
    assert len(closed) == sum(len(one.scenario.faults) for one in outcomes)
    assert statistics.median(closed) <= 1.5 * traffic.WINDOW_S
    assert max(closed) <= 2.5 * traffic.WINDOW_S


def test_an_evaluation_that_never_opens_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "THRESHOLD_PERCENT", 99.99)
    monkeypatch.setattr(traffic, "THRESHOLD_MS", 16_000.0)
    step = next(one for one in traffic.scenarios() if one.name == "latency step")
    assert traffic.play(step, tmp_path).missed == list(step.faults)


def test_an_evaluation_that_opens_too_much_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic, "THRESHOLD_MS", 150.0)
    quiet = next(one for one in traffic.scenarios() if one.name == "nothing happens")
    assert traffic.play(quiet, tmp_path).false
