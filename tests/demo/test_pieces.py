"""The pieces of the demonstration, each by itself."""

import http.server
import io
import json
import os
import random
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from genesis_performance import config
from genesis_performance.demo import cloud, datasette_routes, inventory, records
from genesis_performance.demo.processes import ProcessError, WebProcess, child_environment, free_port
from genesis_performance.demo.screen import LiveScreen, PlainScreen, Row, sparkline
from genesis_performance.demo.shop import database
from genesis_performance.demo.shop.releases import RELEASES, load_pricing, shown_path
from genesis_performance.demo.shop_story import planted_line, request
from genesis_performance.demo.stage import Stage, Step, StepFailedError
from genesis_performance.demo.traffic import Traffic
from genesis_performance.errors import CloudUnavailableError
from genesis_performance.gcp import close_all
from genesis_performance.operations import Recorder
from genesis_performance.secrets import OptimizedSecretManager
from genesis_performance.storage import Kind, open_store, to_body

LINES = (database.Line(1000, True), database.Line(2000, False), database.Line(500, True))
ROW = Row(
    operation="GET /a",
    release="v1",
    rate_per_s=3.0,
    p50_ms=1.0,
    p95_ms=2.0,
    errors=1,
    trend_ms=(1.0, 2.0, 4.0),
)


@pytest.fixture
def secrets(genesis_emulator: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[OptimizedSecretManager]:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", cloud.PROJECT)
    config.reset()
    cloud.create_secret("tax-key", "vat-standard:19")
    with OptimizedSecretManager() as made:
        yield made
    close_all()
    config.reset()


def test_the_releases_agree_on_prices(secrets: OptimizedSecretManager) -> None:
    assert load_pricing("v1").total_cents(LINES, secrets) == 1190 + 2380 + 595
    assert load_pricing("v2").total_cents(LINES, secrets) == 1070 + 2380 + 535
    assert load_pricing("v3").total_cents(LINES, secrets) == 1070 + 2380 + 535


def test_only_v2_repeats_its_read_and_the_place_is_known(secrets: OptimizedSecretManager) -> None:
    recorder = Recorder()
    for release in RELEASES:
        with recorder.operation(release):
            load_pricing(release).total_cents(LINES, secrets)
    (repeat,) = recorder.repeated_calls()
    assert (repeat.operation, repeat.calls) == ("v2", len(LINES))
    assert (repeat.file, repeat.line) == (shown_path("pricing_v2.py"), planted_line())
    assert not Path(repeat.file).is_absolute()


def test_the_planted_latency_and_the_calls_are_the_emulators(
    secrets: OptimizedSecretManager, genesis_emulator: Any
) -> None:
    cloud.plant_latency(genesis_emulator.http, cloud.ACCESS, 60)
    before = cloud.calls(genesis_emulator.http).get(cloud.ACCESS, 0)
    for _ in range(2):
        begin = time.monotonic()
        with OptimizedSecretManager() as fresh:
            fresh.get_secret_sync("tax-key")
        assert time.monotonic() - begin >= 0.06
    assert cloud.calls(genesis_emulator.http)[cloud.ACCESS] == before + 2


def test_nothing_written_is_no_executions(secrets: OptimizedSecretManager) -> None:
    assert cloud.recorded_executions("shop") == {}
    assert cloud.incidents("POST /checkout/{cart_id}") == []


def test_the_shop_is_the_same_each_time(tmp_path: Path) -> None:
    assert database.create(tmp_path / "a.db") == database.create(tmp_path / "b.db") == 80
    assert database.products(tmp_path / "a.db") == database.products(tmp_path / "b.db")
    assert 6 <= len(database.cart(tmp_path / "a.db", 1)) <= 10
    assert database.product(tmp_path / "a.db", 9999) is None
    assert database.place_order(tmp_path / "a.db", 1, 100) == 1


def test_customers_look_and_buy() -> None:
    dice = random.Random(3)
    seen = [request(dice) for _ in range(1000)]
    assert 200 < sum(method == "POST" for method, _ in seen) < 400
    assert {path.split("/")[1] for _, path in seen} == {"products", "checkout"}


def interval(store: Any, recorder: Recorder, *, release: str, begin_unix_ns: int) -> None:
    (snapshot,) = recorder.snapshots()
    body = {"service": "shop", "environment": "demo", "release": release, "pid": 1}
    span = {"begin_unix_ns": begin_unix_ns, "end_unix_ns": begin_unix_ns + 10**9}
    store.append(Kind.OPERATION, snapshot.name, body | span | {"snapshot": to_body(snapshot)})


def test_intervals_are_read_and_merged(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'h.db'}") as store:
        for number, release in enumerate(("v1", "v1", "v2")):
            recorder = Recorder()
            for _ in range(number + 1):
                with recorder.operation("GET /a"):
                    pass
            interval(store, recorder, release=release, begin_unix_ns=10**18 + number)
        assert [one.release for one in records.intervals(store, "shop")] == ["v1", "v1", "v2"]
        assert records.intervals(store, "other") == []
        assert [one.count for one in records.operation_intervals(store, "shop", "GET /a", "v1")] == [1, 2]
        (total,) = records.merged(records.intervals(store, "shop"))
        assert (total.count, total.start_unix_ns) == (6, 10**18)
        assert 0 < records.quantile_ms(total, 0.5) <= records.quantile_ms(total, 0.95)
        assert records.repeated_calls(store, "shop") == []


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/", "/"),
        ("/-/versions.json", "/-/{page}.json"),
        ("/-/static/app.css", "/-/static/{path}"),
        ("/stdlib", "/{database}"),
        ("/stdlib.json", "/{database}.json"),
        ("/stdlib/module", "/{database}/{table}"),
        ("/stdlib/definition/17", "/{database}/{table}/{row}"),
        ("/stdlib/definition/17.json", "/{database}/{table}/{row}.json"),
        ("/a/b/c/d/e", "<unmatched>"),
        ("/jane.doe@example.com", "<unmatched>"),
    ],
)
def test_datasettes_paths_have_templates(path: str, template: str) -> None:
    assert datasette_routes.template({"path": path}) == template


def test_the_inventory_holds_what_the_sources_hold(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        '"""First line.\n\nMore."""\n\ndef f(x, *, y):\n    """Does."""\n\nclass C: ...\n'
    )
    (tmp_path / "broken.py").write_text("def (")
    assert inventory.create(tmp_path / "i.db", folder=tmp_path) == (1, 2)


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 0.3  # idle connections are closed, as servers do

    def do_GET(self) -> None:
        self.send_response(500 if self.path == "/fails" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def soon(condition: Callable[[], object]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.01)


def test_traffic_keeps_its_rate_and_counts_failures(port: int) -> None:
    begin = time.monotonic()
    traffic = Traffic(port, lambda dice: ("GET", "/fails" if dice.random() < 0.2 else "/"), rate_per_s=60)
    soon(lambda: traffic.answered >= 60 and traffic.failed)
    traffic.switch(port)
    traffic.stop()
    assert traffic.failed < traffic.answered
    # Never faster than asked for, beyond what chance brings about: 5 standard deviations, and one second.
    expected = 60 * (time.monotonic() - begin + 1)
    assert traffic.answered + traffic.failed + traffic.skipped <= expected + 5 * expected**0.5


def test_a_server_that_is_not_there_is_a_failure() -> None:
    traffic = Traffic(free_port(), lambda _: ("GET", "/"), rate_per_s=50)
    soon(lambda: traffic.failed)
    traffic.stop()
    assert traffic.answered == 0


def test_a_child_that_ends_at_once_says_why(tmp_path: Path) -> None:
    arguments = ["-c", "import sys; sys.exit('no such database')"]
    process = WebProcess("web", arguments, port=free_port(), environment=os.environ, folder=tmp_path)
    with pytest.raises(ProcessError, match="web ended at once: no such database"):
        process.wait_until_ready("/", timeout_s=60)
    process.stop()


def test_a_child_that_never_answers_is_given_up_and_ended(tmp_path: Path) -> None:
    process = WebProcess(
        "web",
        ["-c", "import time; time.sleep(600)"],
        port=free_port(),
        environment=os.environ,
        folder=tmp_path,
    )
    with pytest.raises(ProcessError, match="did not answer"):
        process.wait_until_ready("/", timeout_s=0.3)
    process.stop()
    assert not process.is_running


def test_a_child_ends_when_its_parent_is_gone() -> None:
    code = """
        import time
        from genesis_performance.demo.lifeline import end_with_parent
        end_with_parent()
        time.sleep(600)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(60) == -15


def test_settings_of_the_user_do_not_reach_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__SINK", "none")
    monkeypatch.setenv("GCP_PROJECT_ID", "mine")
    found = child_environment({"GOOGLE_CLOUD_PROJECT": "demo"})
    assert "GENESIS_PERF__MONITORING__SINK" not in found
    assert "GCP_PROJECT_ID" not in found
    assert found["GOOGLE_CLOUD_PROJECT"] == "demo"
    assert found["PATH"] == os.environ["PATH"]


def test_plain_lines_have_time_and_kind_and_fit() -> None:
    out = io.StringIO()
    shown = PlainScreen("demo: banner", out)
    shown.say("DEPLOY", "a long text " * 20)
    shown.show("waiting", [ROW])
    lines = out.getvalue().splitlines()
    assert lines[0] == "demo: banner"
    assert lines[1].startswith("  +0s  DEPLOY      a long text")
    assert max(map(len, lines)) <= 100
    assert not any("waiting" in line for line in lines), "progress only after a silence"


def test_the_live_screen_draws_operations_and_events(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveScreen("demo: banner") as shown:
        shown.say("FIX", "the fix")
        shown.show("until it ends", [ROW])
    text = capsys.readouterr().out
    assert "demo: banner" in text
    assert "GET /a" in text
    assert "the fix" in text


def test_a_trend_is_drawn_to_its_highest() -> None:
    assert sparkline([1, 4, 8]) == "▂▅█"
    assert sparkline([]) == sparkline([0, 0]) == ""


def unreachable(_stage: Stage) -> str:
    raise CloudUnavailableError("the emulator is gone")


def contradicts(_stage: Stage) -> str:
    raise AssertionError("another line")


def test_a_step_that_does_not_happen_is_named() -> None:
    with Stage(PlainScreen("demo", io.StringIO()), "shop") as stage:
        folder = stage.folder
        step: Step[Stage] = Step(name="pigs fly", kind="FLY", deadline_s=0.1, holds=lambda _: None)
        with pytest.raises(StepFailedError, match="'pigs fly' did not happen within"):
            stage.play(step)
        step = Step(name="it agrees", kind="AGREE", deadline_s=1, holds=contradicts)
        with pytest.raises(StepFailedError, match="'it agrees': another line"):
            stage.play(step)
        step = Step(name="it is there", kind="THERE", deadline_s=1, holds=unreachable)
        with pytest.raises(StepFailedError, match="'it is there': the emulator is gone"):
            stage.play(step)
        happened: Step[Stage] = Step(name="it is", kind="IS", deadline_s=1, holds=lambda _: "so")
        assert stage.play(happened) == "so"
        with pytest.raises(ZeroDivisionError):
            stage.during("a failure", lambda: 1 // 0)
    assert not folder.exists()


def test_a_stage_leaves_the_environment_as_it_was() -> None:
    before = dict(os.environ)
    with Stage(PlainScreen("demo", io.StringIO()), "shop") as stage:
        stage.set_up()
        assert os.environ["GOOGLE_CLOUD_PROJECT"] == cloud.PROJECT
        assert json.dumps(cloud.calls(stage.emulator.http)) == "{}"
        process = stage.emulator.process
    assert process.poll() is not None
    assert dict(os.environ) == before
