import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from genesis_performance import config
from genesis_performance.cli.doctor import command


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("GOOGLE_CLOUD_PROJECT", "GCP_PROJECT_ID", "GENESIS_PERF_EMULATOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.chdir(tmp_path)
    config.reset()
    yield
    config.reset()


def exported(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, dict[str, Any]]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    config.reset()
    result = CliRunner().invoke(command, ["--json"])
    return {one["name"]: one for one in json.loads(result.output)["exported"]}


def test_without_a_project_it_says_why_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert exported(monkeypatch)["metrics"]["text"] == "nowhere: there is no project"


def test_a_sink_that_is_turned_off_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found = exported(monkeypatch, GENESIS_PERF__MONITORING__SINK="otlp", OTEL_SDK_DISABLED="true")
    assert found["metrics"]["text"] == "nowhere: otlp.disabled is set (OTEL_SDK_DISABLED)"


def test_a_collector_is_named_without_what_may_be_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    found = exported(
        monkeypatch,
        GENESIS_PERF__MONITORING__SINK="otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT="https://user:word@collector.example/key-123",
    )
    text = found["metrics"]["text"]
    assert text == "over OTLP to collector.example every 60 s"


def test_the_emulator_is_named_over_either_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("GENESIS_PERF_EMULATOR", "127.0.0.1:1")  # nobody listens
    text = exported(monkeypatch)["metrics"]["text"]
    assert text.startswith("to Cloud Monitoring (emulator at 127.0.0.1:1), ")
    found = exported(
        monkeypatch, GENESIS_PERF__MONITORING__SINK="otlp", GENESIS_PERF_EMULATOR_HTTP="127.0.0.1:2"
    )
    assert found["metrics"]["text"] == "over OTLP to the emulator at 127.0.0.1:2 every 60 s"


def test_over_otlp_an_endpoint_goes_before_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    found = exported(
        monkeypatch,
        GENESIS_PERF__MONITORING__SINK="otlp",
        GENESIS_PERF_EMULATOR_HTTP="127.0.0.1:2",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:4318",
    )
    assert found["metrics"]["text"] == "over OTLP to localhost:4318 every 60 s"


def test_an_emulator_without_its_http_port_is_a_failure_over_otlp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("GENESIS_PERF_EMULATOR", "127.0.0.1:1")
    monkeypatch.delenv("GENESIS_PERF_EMULATOR_HTTP", raising=False)
    found = exported(monkeypatch, GENESIS_PERF__MONITORING__SINK="otlp")
    assert found["metrics"]["ok"] is False
    assert "set GENESIS_PERF_EMULATOR_HTTP" in found["metrics"]["text"]


def test_whoever_is_told_of_incidents_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert exported(monkeypatch)["incidents"]["ok"] is None
    found = exported(
        monkeypatch,
        GENESIS_PERF__NOTIFICATIONS__WEBHOOK_URL="https://hooks.example/services/T0/key",
        GENESIS_PERF__NOTIFICATIONS__PUBSUB_TOPIC="projects/p/topics/t",
    )
    assert found["incidents"]["text"] == "told to webhook and pubsub, redacted"


def test_a_channel_that_can_not_be_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found = exported(monkeypatch, GENESIS_PERF__NOTIFICATIONS__WEBHOOK_URL="http://hooks.example/key")
    assert found["incidents"]["ok"] is False
    assert "use https" in found["incidents"]["text"]


def test_the_roles_of_each_feature_are_listed() -> None:
    text = CliRunner().invoke(command).output
    for role in ("telemetry.metricsWriter", "pubsub.publisher", "monitoring.metricWriter"):
        assert f"roles/{role}" in text
