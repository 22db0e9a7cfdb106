"""A monitor of a cloud, operations to be seen by it, what it has made there, and who is told."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from genesis_performance.gcp import call, each
from genesis_performance.model.alert import PerformanceAlert
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.operations import Recorder, register

from ..conftest import FakeClock

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator


@pytest.fixture(autouse=True)
def _no_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "GOOGLE_CLOUD_PROJECT",
        "GCP_PROJECT_ID",
        "GENESIS_PERF_EMULATOR",
        "GOOGLE_APPLICATION_CREDENTIALS",
    ):
        monkeypatch.delenv(name, raising=False)
    # No metadata server is asked for a project.
    monkeypatch.setenv("NO_GCE_CHECK", "true")


class Operations:
    """Executions of chosen durations, as a profiler's recorder keeps them."""

    def __init__(self, clock: FakeClock) -> None:
        self._now_ns = 0
        self.recorder = Recorder(clock_ns=lambda: self._now_ns, wall_clock_ns=clock.unix_ns)
        register(self.recorder)

    def run(self, name: str, duration_ms: float, times: int = 1, *, fails: bool = False) -> None:
        for _ in range(times):
            try:
                with self.recorder.operation(name):
                    self._now_ns += round(duration_ms * 1e6)
                    if fails:
                        raise LookupError
            except LookupError:
                pass


@pytest.fixture
def operations(clock: FakeClock) -> Iterator[Operations]:
    made = Operations(clock)
    yield made
    made.recorder.reset()  # it may live on in a traceback: nothing of it in the next test


def make_objective(name: str) -> None:
    """An objective in the emulator, and its service."""
    service, _, objective = name.partition("/serviceLevelObjectives/")
    parent, _, service_id = service.partition("/services/")
    call(
        "service_monitoring",
        "create_service",
        {"parent": parent, "service_id": service_id, "service": {"custom": {}}},
    )
    ratio = {"good_service_filter": 'metric.type="good"', "total_service_filter": 'metric.type="all"'}
    call(
        "service_monitoring",
        "create_service_level_objective",
        {
            "parent": service,
            "service_level_objective_id": objective,
            "service_level_objective": {
                "goal": 0.999,
                "rolling_period": {"seconds": 28 * 86_400},
                "service_level_indicator": {"request_based": {"good_total_ratio": ratio}},
            },
        },
    )


def make_channel() -> str:
    """A notification channel in the emulator; its name."""
    channel = {"type_": "email", "labels": {"email_address": "on-call@example.com"}}
    request = {"name": "projects/p", "notification_channel": channel}
    return str(call("notification_channels", "create_notification_channel", request).name)


@pytest.fixture
def monitor(cloud: RunningEmulator, clock: FakeClock) -> Iterator[PerformanceMonitor]:
    with PerformanceMonitor(gcp_project_id="p", service_name="api", clock=clock) as made:
        yield made


def made_at_once(
    clock: FakeClock, create: Callable[[PerformanceMonitor], PerformanceAlert]
) -> list[str | None]:
    """The policy that each of four processes is told it has, which create an alert at the same moment."""
    start = threading.Barrier(4)
    names: list[str | None] = []

    def make(number: int) -> None:
        with PerformanceMonitor("p", service_name="api", clock=clock, store=f"sqlite:///{number}.db") as one:
            start.wait(60)
            names.append(create(one).resource_name)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return names


def policies() -> list[Any]:
    return list(each("alert_policies", "list_alert_policies", {"name": "projects/p"}))


def pass_time(cloud: RunningEmulator, clock: FakeClock, seconds: float) -> None:
    clock.advance(seconds)
    cloud.advance(seconds)


class Receiver:
    """An HTTP server that remembers what it was sent and answers as it is told."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[Callable[[http.server.BaseHTTPRequestHandler], None]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((dict(self.headers), body))
                answer = receiver.answers.pop(0) if receiver.answers else status(204)
                with contextlib.suppress(OSError):
                    answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?room=1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.requests]


def status(code: int, **headers: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return answer


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()
