"""Tests begin without a project or an emulator."""

import pytest


@pytest.fixture(autouse=True)
def _no_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_CLOUD_PROJECT", "GCP_PROJECT_ID", "GENESIS_PERF_EMULATOR"):
        monkeypatch.delenv(name, raising=False)
