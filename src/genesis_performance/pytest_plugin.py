"""pytest plugin: the fixture ``genesis_emulator``, a local Google Cloud for one test.

Only pytest is imported here: the plugin is loaded in every test run of every project that installs us.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .emulator import RunningEmulator


BUFFER_DIR = "GENESIS_PERF__MONITORING__BUFFER_DIR"


@pytest.fixture
def genesis_emulator(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEmulator]:
    """A fresh local Google Cloud; clients of Genesis Performance go there while the test runs."""
    from .emulator import running_emulator

    if BUFFER_DIR not in os.environ:  # what is recorded for this cloud is of no use after it
        monkeypatch.setenv(BUFFER_DIR, str(tmp_path_factory.mktemp("genesis-buffer")))
    with running_emulator() as emulator:
        monkeypatch.setenv("GENESIS_PERF_EMULATOR", emulator.grpc)
        monkeypatch.setenv("GENESIS_PERF_EMULATOR_HTTP", emulator.http)
        yield emulator
