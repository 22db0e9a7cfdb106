"""Every example runs as a user would run it, against a local cloud, and does what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from genesis_performance.emulator import RunningEmulator, SpawnedEmulator, spawn_emulator

EXAMPLES = Path(__file__).parents[2] / "examples"
PARTS = {"local_cloud.py", "orders.py"}  # imported by the others
SAID = {
    "quick_start.py": r"10 operations, \d+\.\d\d ms on average",
    "advanced_configuration.py": r"grade [AB].*\napi-key has 14 characters",
    "monitoring.py": r"metrics written: True\npolicy: projects/demo-project/alertPolicies/\d+",
    # A thread of its own tells: in any order with what is printed meanwhile.
    "incidents.py": (
        r"(?s)(?=.*told: \[WARNING\] pay of orders: [\d.]+ %, threshold 20 %)(?=.*caused by LookupError)"
        r"(?=.*acknowledged: pay of orders)(?=.*0 open)(?=.*told: \[closed\] pay of orders)"
    ),
    "cost.py": r"202610: 80\.00 USD net",
    "secret_manager.py": r"from the cache: 80%",
    "profile_session.py": r"price: price, line \d+\nsign: sign, line \d+\n\d+ samples took",
    "workflow_1_profile_and_benchmark.py": r"missed: avg .* grade F",
    "workflow_2_regressions.py": r"verdict regressed",
    "workflow_3_optimizations.py": r"plan: [1-5] recommendations",
    "workflow_4_alerts.py": r"incident: orders-response-time-production at",
}
SCRIPTS = sorted(path.name for path in (EXAMPLES / "usage").glob("*.py") if path.name not in PARTS)


@pytest.fixture(scope="module")
def emulator() -> Iterator[SpawnedEmulator]:
    with spawn_emulator() as running:
        yield running


def environment(emulator: SpawnedEmulator | RunningEmulator | None, folder: Path) -> dict[str, str]:
    """That of this process without settings of ours, with a store of its own."""
    ours = re.compile(r"GENESIS_PERF|GOOGLE_CLOUD_PROJECT|GCP_PROJECT_ID|PERFORMANCE_|SECRET_CACHE_")
    kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
    kept["GENESIS_PERF__STORAGE__URL"] = f"sqlite:///{folder}/history.db"
    kept["GENESIS_PERF__MONITORING__BUFFER_DIR"] = str(folder / "buffer")
    if emulator is not None:
        kept |= {"GENESIS_PERF_EMULATOR": emulator.grpc, "GENESIS_PERF_EMULATOR_HTTP": emulator.http}
    return kept


def run(name: str, emulator: SpawnedEmulator | None, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "usage" / name)],
        cwd=folder,
        env=environment(emulator, folder),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_every_example_has_its_expectation() -> None:
    assert sorted(SAID) == SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_example_runs(name: str, emulator: SpawnedEmulator, tmp_path: Path) -> None:
    assert re.search(SAID[name], run(name, emulator, tmp_path))


def test_an_example_starts_a_cloud_of_its_own_where_none_runs(tmp_path: Path) -> None:
    assert re.search(SAID["secret_manager.py"], run("secret_manager.py", None, tmp_path))


def test_every_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert not [name for name in SCRIPTS if f"(usage/{name})" not in listed]


def test_the_fastapi_application_is_measured(
    genesis_emulator: RunningEmulator, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    settings = environment(genesis_emulator, tmp_path)
    _put_signing_key(settings, tmp_path)
    with (tmp_path / "server.log").open("w") as log:
        options = ["--app-dir", str(EXAMPLES / "fastapi_app"), "--port", str(port), "--log-level", "warning"]
        server = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "main:app", *options],
            cwd=tmp_path,
            env=settings | {"ORDERS_DATABASE": str(tmp_path / "orders.db")},
            stdout=log,
            stderr=log,
        )
        try:
            number = _answer(f"{address}/orders/1250", "POST", patience_s=60)["id"]
            for _ in range(5):
                order = _answer(f"{address}/orders/{number}")
            with pytest.raises(urllib.error.HTTPError, match="404"):
                _answer(f"{address}/orders/999999")
        finally:
            server.terminate()
            server.wait(60)
    said = (tmp_path / "server.log").read_text()
    assert order["amount_cents"] == 1250
    assert len(order["signature"]) == 64
    assert "Traceback" not in said
    calls = genesis_emulator.calls()
    assert calls["google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion"] == 1, "cached"
    assert calls["google.monitoring.v3.MetricService/CreateTimeSeries"] >= 1, "flushed when it ended"


def _put_signing_key(settings: dict[str, str], folder: Path) -> None:
    code = "from local_cloud import local_cloud\nwith local_cloud(signing_key='k'): pass"
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=settings | {"PYTHONPATH": str(EXAMPLES / "usage")},
        check=True,
        timeout=120,
    )


def _answer(url: str, method: str = "GET", *, patience_s: float = 0) -> dict[str, object]:
    """The JSON of one answer; a server that is not up yet is waited for."""
    end = time.monotonic() + patience_s
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
