"""No test sees the settings, recorders or working directory of another."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from genesis_performance import config
from genesis_performance.operations import registry


@pytest.fixture(autouse=True)
def fresh_process_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings read anew, no recorder registered, files written to a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENESIS_PERF__MONITORING__BUFFER_DIR", str(tmp_path / ".buffer"))
    registry._recorders.clear()
    registry._memory = registry._adopt = None  # of a monitor that an earlier test left running
    config.reset()
    yield
    config.reset()
