from pathlib import Path

import pytest

from genesis_performance import config
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.pytest_plugin import BUFFER_DIR


def test_metrics_for_the_clouds_of_tests_are_kept_in_a_folder_of_pytests(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.delenv(BUFFER_DIR)
    request.getfixturevalue("genesis_emulator")
    config.reset()
    folder = config.settings().monitoring.buffer_dir
    assert folder is not None
    assert Path(folder).parent == tmp_path_factory.getbasetemp()
    with PerformanceMonitor("p", service_name="shop") as monitor:
        monitor.record_performance_metric("wait_ms", 5.0)
        assert monitor.flush(60)
    assert [one.name.rpartition("-")[0] for one in Path(folder).iterdir()] == ["shop"]
