"""Incidents from opening to closing, through the real evaluation on a clock that the tests move."""

import dataclasses
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from click.testing import CliRunner

from genesis_performance import config
from genesis_performance.cli.monitor import command as monitor_command
from genesis_performance.errors import UnknownNameError
from genesis_performance.export.limits import Complaints
from genesis_performance.model.alert import ApplyMode, IncidentState, PerformanceIncident
from genesis_performance.model.change import Baseline
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.monitor.alerts import error_rate_alert, response_time_alert
from genesis_performance.monitor.burn_rate import burn_rate_alerts
from genesis_performance.monitor.channels import Notification
from genesis_performance.monitor.pipeline import Destination, Pipeline
from genesis_performance.monitor.records import MonitorRecords, Mute, log
from genesis_performance.monitor.watch import Watch
from genesis_performance.storage import from_body, open_store, to_body

from .conftest import FakeClock, Operations

STORE = "sqlite:///history.db"
COMMON = MappingProxyType({"duration_s": 0, "channels": (), "apply": ApplyMode.LOCAL})


class Told:
    """A notifier without a thread: what it was told, in order."""

    def __init__(self) -> None:
        from collections import Counter

        self.notifications: list[Notification] = []
        self.counts: Counter[str] = Counter()

    def tell(self, notification: Notification) -> None:
        self.notifications.append(notification)

    def catch_up(self) -> None:
        pass

    @property
    def events(self) -> list[str]:
        return [one.event for one in self.notifications]


class Watched:
    """One process's watch on the traffic of the operations."""

    def __init__(self, clock: FakeClock, *, store: Any = STORE) -> None:
        destination = Destination(
            project=None, prefix="x", service="api", environment="production", sink="none"
        )
        self.clock = clock
        self.pipeline = Pipeline(destination, clock=clock)
        self.records = MonitorRecords(store, self.pipeline.complaints)
        self.told = Told()
        self.watch = Watch(self.pipeline, self.records, self.told)  # type: ignore[arg-type]
        _made.append(self)

    def response_time(self, threshold_ms: float = 500) -> "Watched":
        alert = response_time_alert("api", threshold_ms, "production", quantile=0.95, **COMMON)
        self.watch.add(alert, in_background=False, also=None)
        return self

    def error_rate(self, threshold_percent: float = 5) -> "Watched":
        alert = error_rate_alert("api", threshold_percent, "production", **COMMON)
        self.watch.add(alert, in_background=False, also=None)
        return self

    def look(self, after_s: float = 10) -> list[PerformanceIncident]:
        self.clock.advance(after_s)
        return self.watch.look()


_made: list[Watched] = []


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    yield
    while _made:
        one = _made.pop()
        one.watch.close()
        one.records.close()


@pytest.fixture
def watched(clock: FakeClock, operations: Operations) -> Watched:
    return Watched(clock).response_time()


def test_an_incident_carries_the_series_before_it(watched: Watched, operations: Operations) -> None:
    for _ in range(5):
        operations.run("pay", 100, times=10)
        watched.look()
    operations.run("pay", 900, times=30)
    (incident,) = watched.look()
    assert incident.evidence is not None
    values = [value for _, value in incident.evidence.series]
    assert len(values) == 6
    assert all(value < 200 for value in values[:5])
    assert values[-1] == incident.current_value > 500
    assert [at for at, _ in incident.evidence.series] == sorted(at for at, _ in incident.evidence.series)


def test_it_names_what_ran_meanwhile_its_own_operation_first(
    clock: FakeClock, operations: Operations
) -> None:
    subject = Watched(clock).error_rate()
    operations.run("list", 2000, times=20)
    operations.run("pay", 30, times=18)
    operations.run("pay", 30, times=2, fails=True)
    (incident,) = subject.look()
    assert incident.evidence is not None
    pay, other = incident.evidence.operations
    assert (pay.operation, pay.count, pay.errors) == ("pay", 20, 2)
    assert pay.error_types == {"LookupError": 2}
    assert (other.operation, other.count, other.errors) == ("list", 20, 0)
    assert other.p95_ms == pytest.approx(2000, rel=0.15)


def test_error_types_are_those_of_the_window(clock: FakeClock, operations: Operations) -> None:
    subject = Watched(clock).error_rate()
    operations.run("pay", 30, times=30, fails=True)
    subject.look()
    for _ in range(40):
        operations.run("pay", 30, times=20)
        subject.look()
    assert subject.watch.look() == []
    operations.run("pay", 30, times=10, fails=True)
    (incident,) = subject.look()
    assert incident.evidence is not None
    assert incident.evidence.operations[0].error_types == {"LookupError": 10}


def test_it_names_the_profile_of_its_window(watched: Watched, operations: Operations) -> None:
    now_ns = watched.clock.unix_ns()
    with open_store(STORE) as store:
        for key, start_ns in (("old", now_ns - 3600 * 10**9), ("this", now_ns - 30 * 10**9)):
            body = {"start_unix_ns": start_ns, "duration_s": 20.0}
            store.append("profile", key, body, at_unix_ns=start_ns + 20 * 10**9)
    operations.run("pay", 900)
    (incident,) = watched.look()
    assert incident.evidence is not None
    assert incident.evidence.profile_key == "this"


def release(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setenv("K_REVISION", version)
    config.reset()


def test_it_suspects_the_release_before_it(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock, operations: Operations
) -> None:
    release(monkeypatch, "api-00041")
    Watched(clock).response_time()
    clock.advance(86_400)
    release(monkeypatch, "api-00042")
    subject = Watched(clock).response_time()
    operations.run("pay", 900)
    (incident,) = subject.look(600)
    assert incident.evidence is not None
    (change,) = incident.evidence.changes
    assert (change.kind, change.text) == ("release", "api-00042 replaced api-00041 10 minutes before")


def test_a_release_of_last_week_is_not_suspected(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock, operations: Operations
) -> None:
    for version in ("api-00041", "api-00042"):
        release(monkeypatch, version)
        subject = Watched(clock).response_time()
    operations.run("pay", 900)
    (incident,) = subject.look(7 * 86_400)
    assert incident.evidence is not None
    assert incident.evidence.changes == ()


def test_it_says_how_far_the_operation_is_from_its_baseline(watched: Watched, operations: Operations) -> None:
    baseline = Baseline(operation_name="pay", runs_ms=((300.0,) * 20,), created_unix_ns=1_790_000_000 * 10**9)
    with open_store(STORE) as store:
        store.put("baseline", "pay", to_body(baseline))
    operations.run("pay", 900, times=20)
    (incident,) = watched.look()
    assert incident.evidence is not None
    (change,) = incident.evidence.changes
    assert change.text == "p95 is 3.0 times the baseline's 300 ms of 2026-09-21"


def test_the_series_goes_on_until_it_closes_and_all_is_kept(watched: Watched, operations: Operations) -> None:
    operations.run("pay", 900, times=10)
    watched.look()
    for _ in range(20):
        operations.run("pay", 100, times=500)
        if not watched.look():
            break
    (kept,) = watched.records.incidents()
    assert kept.state is IncidentState.CLOSED
    assert kept.evidence is not None
    assert kept.evidence.series[0][1] > 500 > kept.evidence.series[-1][1]
    assert [text.split(":")[0] for _, text in kept.timeline] == ["opened", "closed"]


def test_an_acknowledged_incident_stays_open_and_closes_by_itself(
    watched: Watched, operations: Operations
) -> None:
    operations.run("pay", 900, times=10)
    (incident,) = watched.look()
    watched.watch.acknowledge(incident.id, "Ann is on it")
    operations.run("pay", 950, times=10)
    (still,) = watched.look()
    assert still.state is IncidentState.ACKNOWLEDGED
    assert still.timeline[-1][1] == "acknowledged: Ann is on it"
    operations.run("pay", 100, times=1000)
    assert watched.look(70) == []
    (kept,) = watched.records.incidents()
    assert kept.state is IncidentState.CLOSED
    assert [text.split(":")[0] for _, text in kept.timeline] == ["opened", "acknowledged", "closed"]


def test_it_can_be_acknowledged_from_another_process(watched: Watched, operations: Operations) -> None:
    operations.run("pay", 900, times=10)
    (incident,) = watched.look()
    with closing(MonitorRecords(STORE, watched.pipeline.complaints)) as other:
        assert other.acknowledge(incident.id, watched.clock.unix_ns(), "")
        operations.run("pay", 990, times=10)
        (seen,) = watched.look()
        assert seen.state is IncidentState.ACKNOWLEDGED
        assert other.incidents()[0].state is IncidentState.ACKNOWLEDGED


def test_the_monitor_acknowledges_and_refuses_what_is_not_open(
    clock: FakeClock, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__ENABLE_ALERTING", "false")
    config.reset()
    with PerformanceMonitor(service_name="api", clock=clock, store=STORE) as monitor:
        monitor.create_response_time_alert("api", 500)
        operations.run("pay", 900)
        (incident,) = monitor.check_performance_thresholds()
        assert monitor.acknowledge_incident(incident, "Bo").state is IncidentState.ACKNOWLEDGED
        with pytest.raises(UnknownNameError, match="no open incident 'none'"):
            monitor.acknowledge_incident("none")


def test_what_comes_back_soon_is_the_same_incident(watched: Watched, operations: Operations) -> None:
    ids = set()
    for _ in range(5):
        operations.run("pay", 900, times=100)
        ids |= {one.id for one in watched.look()}
        for _ in range(7):  # until the slow ones have left the window
            operations.run("pay", 10, times=100)
            watched.look()
    assert len(ids) == 1
    assert len(watched.records.incidents()) == 1
    assert watched.told.events == ["opened", "closed", *["reopened", "closed"] * 4]
    assert len({one.key for one in watched.told.notifications}) == 10


def test_what_comes_back_later_is_another(watched: Watched, operations: Operations) -> None:
    for _ in range(2):
        operations.run("pay", 900, times=10)
        watched.look()
        operations.run("pay", 10, times=9000)
        watched.look(70)
        watched.look(600)
    assert len(watched.records.incidents()) == 2


def test_each_change_is_told_once_with_the_alerts_severity(watched: Watched, operations: Operations) -> None:
    operations.run("pay", 900, times=10)
    for _ in range(4):
        watched.look()
    operations.run("pay", 10, times=9000)
    watched.look(70)
    assert watched.told.events == ["opened", "closed"]
    assert {one.severity for one in watched.told.notifications} == {"WARNING"}


@pytest.mark.parametrize(("alert", "service"), [("", ""), ("", "api"), ("api-response-time-production", "")])
def test_a_mute_silences_until_its_end(
    watched: Watched, operations: Operations, alert: str, service: str
) -> None:
    until_ns = watched.clock.unix_ns() + 100 * 10**9
    watched.records.set_mutes([Mute(alert, service, until_ns)])
    operations.run("pay", 900, times=10)
    assert len(watched.look()) == 1
    assert watched.told.events == []
    assert watched.told.counts["muted"] == 1
    operations.run("ship", 900, times=10)
    watched.look(120)
    assert [one.incident.operation for one in watched.told.notifications if one.incident] == ["ship"]


def test_a_mute_of_another_service_silences_nothing(watched: Watched, operations: Operations) -> None:
    watched.records.set_mutes([Mute("", "web", 2**62)])
    operations.run("pay", 900)
    watched.look()
    assert watched.told.events == ["opened"]


@pytest.mark.parametrize("jump_s", [-86_400, -3600, 3600, 86_400])
def test_a_clock_that_jumps_opens_and_closes_nothing(
    watched: Watched, operations: Operations, jump_s: int
) -> None:
    operations.run("pay", 900, times=5)  # before the window: a whole life of it must not count again
    watched.look()
    for _ in range(10):
        operations.run("pay", 100, times=5)
        watched.look()
    assert watched.look() == []
    watched.told.notifications.clear()
    watched.clock._unix_ns += jump_s * 10**9
    for _ in range(10):
        operations.run("pay", 100, times=5)
        assert watched.look() == []
    assert watched.told.events == []
    operations.run("pay", 900, times=20)
    assert len(watched.look()) == 1


@pytest.mark.parametrize("jump_s", [-3600, 3600])
def test_an_open_incident_survives_a_jump_and_closes_in_time(
    watched: Watched, operations: Operations, jump_s: int
) -> None:
    operations.run("pay", 900, times=10)
    (before,) = watched.look()
    watched.clock._unix_ns += jump_s * 10**9
    operations.run("pay", 900, times=10)
    (after,) = watched.look()
    assert after.id == before.id
    looks = 0
    while watched.watch.look() and looks < 20:
        operations.run("pay", 100, times=100)
        watched.look()
        looks += 1
    assert looks <= 8


def test_a_gap_in_the_traffic_keeps_the_incident(watched: Watched, operations: Operations) -> None:
    operations.run("pay", 900, times=10)
    (before,) = watched.look()
    for _ in range(60):
        (still,) = watched.look()
        assert still.id == before.id
    assert watched.told.events == ["opened"]


def test_the_last_executions_before_a_gap_close_nothing(watched: Watched, operations: Operations) -> None:
    for _ in range(6):
        operations.run("pay", 900, times=10)
        watched.look()
    operations.run("pay", 100, times=3)  # fine by chance, and then nobody calls
    watched.look()
    for _ in range(10):
        assert len(watched.look()) == 1
    operations.run("pay", 900, times=10)
    watched.look()
    assert watched.told.events == ["opened"]


def test_a_store_that_is_locked_is_caught_up_with(watched: Watched, operations: Operations) -> None:
    class Failing:
        """A store whose writes fail until it is mended."""

        def __init__(self) -> None:
            self.real = open_store(STORE)
            self.is_broken = True

        def put(self, *given: Any) -> int:
            if self.is_broken:
                from genesis_performance.errors import StoreError

                raise StoreError("locked")
            return self.real.put(*given)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

    store = Failing()
    subject = Watched(watched.clock, store=store).response_time()
    operations.run("pay", 900)
    (incident,) = subject.look()
    assert subject.records.incidents() == []
    assert subject.records.failures > 0
    assert subject.told.events == ["opened"]
    store.is_broken = False
    subject.look()
    assert [one.id for one in subject.records.incidents()] == [incident.id]


def test_a_store_that_another_process_holds_is_left_alone_after_one_wait(
    watched: Watched, operations: Operations, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("genesis_performance.storage.sqlite.BUSY_TIMEOUT_S", 1.1)
    path = tmp_path / "held.db"
    with open_store(f"sqlite:///{path}") as made:
        made.put("note", "here", {})
    subject = Watched(watched.clock, store=f"sqlite:///{path}").response_time()
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        operations.run("pay", 900)
        assert len(subject.look()) == 1
        import time

        begin = time.monotonic()
        for _ in range(20):
            operations.run("pay", 900)
            assert len(subject.look()) == 1
        assert time.monotonic() - begin < 20 * 1.1 / 2  # it did not wait each time
        holder.execute("ROLLBACK")


def test_an_incident_of_an_older_version_can_be_read(watched: Watched) -> None:
    body = {
        "id": "i",
        "alert_name": "a",
        "service_name": "s",
        "operation": "",
        "state": "OPEN",
        "current_value": 1.0,
        "worst_value": 1.0,
        "threshold": 1.0,
        "unit": "ms",
        "opened_unix_ns": 1,
    }
    assert from_body(PerformanceIncident, body).evidence is None
    with open_store(STORE) as store:
        store.put("incident", "i", body)
    assert [one.id for one in watched.records.incidents()] == ["i"]


def test_everything_of_an_incident_survives_the_store(watched: Watched, operations: Operations) -> None:
    operations.run("pay", 900, times=10)
    (incident,) = watched.look()
    (kept,) = watched.records.incidents()
    assert kept == incident
    assert dataclasses.asdict(kept)["evidence"]["operations"][0]["operation"] == "pay"


def command(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(monitor_command, ["incidents", *arguments])
    assert result.exit_code == code, result.output
    return str(result.output)


@pytest.fixture
def stored(watched: Watched, operations: Operations, monkeypatch: pytest.MonkeyPatch) -> PerformanceIncident:
    """An open incident, in the store that the command line reads."""
    monkeypatch.setenv("GENESIS_PERF__STORAGE__URL", STORE)
    config.reset()
    for _ in range(3):
        operations.run("pay", 100, times=10)
        watched.look()
    operations.run("pay", 900, times=30)
    (incident,) = watched.look()
    return incident


def test_the_command_line_shows_one_incident_with_its_evidence(stored: PerformanceIncident) -> None:
    text = command("show", stored.id)
    assert "p95 " in text
    assert "pay: 60 times" in text
    assert "▁▁▁█" in text
    found = json.loads(command("show", stored.id, "--json"))
    assert found["evidence"]["operations"][0]["count"] == 60
    assert command("show", stored.id.rpartition("/")[2]) == text  # its last part is enough


def test_the_command_line_acknowledges(stored: PerformanceIncident) -> None:
    assert stored.id in command("ack", stored.id, "--by", "Ann")
    (listed,) = json.loads(command("--json"))
    assert listed["state"] == "ACKNOWLEDGED"
    assert "acknowledged: Ann" in command("show", stored.id)


def test_the_command_line_says_that_there_is_no_such_incident(stored: PerformanceIncident) -> None:
    assert "there is no incident 'x'" in command("ack", "x", code=2)
    assert "there is no incident 'x'" in command("show", "x", code=2)


def test_the_command_line_mutes_and_tells_again(
    stored: PerformanceIncident, watched: Watched, operations: Operations
) -> None:
    assert "api is muted until" in command("mute", "--service", "api", "--for", "2h")
    operations.run("ship", 900, times=30)
    watched.look()
    assert watched.told.events == ["opened"]
    assert "told again" in command("mute", "--service", "api", "--off")
    operations.run("list", 900, times=30)
    watched.look()
    assert watched.told.events == ["opened", "opened"]


def test_a_wrong_duration_is_refused() -> None:
    assert "for example 2h" in command("mute", "--for", "soon", code=2)


@pytest.fixture
def shared_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__BUFFER_DIR", str(tmp_path / "buffer"))
    config.reset()


class SharedWatched(Watched):
    """One of several processes that share their series, as far as one process can play them."""

    def __init__(self, clock: FakeClock, records: type[MonitorRecords] = MonitorRecords) -> None:
        super().__init__(clock)
        destination = Destination(
            project=None, prefix="x", service="api", environment="production", sink="none"
        )
        self.pipeline = Pipeline(destination, clock=clock, is_shared=True)
        self.records = records(STORE, self.pipeline.complaints)
        self.watch = Watch(self.pipeline, self.records, self.told)  # type: ignore[arg-type]


@pytest.mark.usefixtures("shared_folder")
def test_two_processes_have_one_incident_and_tell_it_once(clock: FakeClock, operations: Operations) -> None:
    first, second = (SharedWatched(clock).response_time() for _ in range(2))
    assert first.pipeline.writer is not None
    operations.run("pay", 900, times=10)
    (one,) = first.look()
    (same,) = second.look(1)
    assert same.id == one.id
    assert first.told.events + second.told.events == ["opened"]
    operations.run("pay", 10, times=5000)
    assert first.look(70) == []
    assert second.look(1) == []
    assert first.told.events + second.told.events == ["opened", "closed"]
    assert len(first.records.incidents()) == 1


@pytest.mark.usefixtures("shared_folder")
def test_two_processes_that_look_at_the_same_moment_have_one_incident_and_tell_it_once(
    clock: FakeClock, operations: Operations
) -> None:
    """Neither sees in the store what the other is about to write."""

    class Unread(MonitorRecords):
        def open_incidents(self) -> list[PerformanceIncident]:
            return []

    first, second = (SharedWatched(clock, records=Unread).response_time() for _ in range(2))
    operations.run("pay", 900, times=10)
    (one,) = first.look()
    (same,) = second.look(0)
    assert same.id == one.id
    assert first.told.events + second.told.events == ["opened"]
    operations.run("pay", 10, times=5000)
    clock.advance(40)
    assert first.look(0) == []
    assert second.look(0) == []
    assert first.told.events + second.told.events == ["opened", "closed"]
    assert [kept.id for kept in first.records.incidents()] == [one.id]


def test_a_claim_is_whose_came_first_until_it_is_old_or_given_up() -> None:
    first, second = (MonitorRecords(STORE, Complaints(log)) for _ in range(2))
    now_ns = 1_790_000_000 * 10**9
    assert first.claim("opened/a/pay", "first", "id-1", now_ns) == ("first", "id-1")
    assert second.claim("opened/a/pay", "second", "id-2", now_ns - 10**9) == ("first", "id-1")
    assert second.claim("opened/a/list", "second", "id-2", now_ns) == ("second", "id-2")
    assert second.claim("opened/a/pay", "second", "id-3", now_ns + 61 * 10**9) == ("second", "id-3")
    second.unclaim("opened/a/pay")
    assert first.claim("opened/a/pay", "first", "id-4", now_ns + 62 * 10**9) == ("first", "id-4")


def test_what_comes_back_soon_after_a_restart_is_the_same_incident(
    watched: Watched, clock: FakeClock, operations: Operations
) -> None:
    operations.run("pay", 900, times=10)
    (one,) = watched.look()
    operations.run("pay", 10, times=5000)
    assert watched.look(70) == []
    watched.watch.close()
    second = Watched(clock).response_time()
    operations.run("pay", 900, times=5000)
    (again,) = second.look(70)
    assert again.id == one.id
    assert second.told.events == ["reopened"]


@pytest.mark.usefixtures("shared_folder")
def test_who_takes_over_closes_what_another_opened(clock: FakeClock, operations: Operations) -> None:
    first, second = (SharedWatched(clock).response_time() for _ in range(2))
    operations.run("pay", 900, times=10)
    assert len(first.look()) == 1  # and it is killed
    operations.run("pay", 10, times=5000)
    second.look(70)
    operations.run("pay", 10, times=5000)
    assert second.look(70) == []
    (kept,) = second.records.incidents()
    assert kept.state is IncidentState.CLOSED


@pytest.mark.usefixtures("shared_folder")
def test_who_takes_over_after_hours_neither_opens_what_is_over_nor_closes_what_goes_on(
    clock: FakeClock, operations: Operations
) -> None:
    first, second = (SharedWatched(clock).response_time() for _ in range(2))
    operations.run("list", 900, times=5000)
    operations.run("pay", 10, times=50_000)
    assert [one.operation for one in first.look()] == ["list"]
    operations.run("list", 10, times=500)
    assert first.look(70) == []
    for _ in range(120):
        first.look(60)
    operations.run("pay", 900, times=100)
    assert [one.operation for one in first.look(60)] == ["pay"]  # and it is killed
    for _ in range(9):
        operations.run("list", 10, times=10)
        operations.run("pay", 900, times=10)
        assert {one.operation for one in second.look()} <= {"pay"}
    assert second.told.events == []
    for _ in range(9):
        operations.run("pay", 10, times=100)
        second.look()
    assert second.told.events == ["closed"]


@pytest.mark.usefixtures("shared_folder")
def test_what_another_process_closed_comes_back_as_the_same_incident(
    clock: FakeClock, operations: Operations
) -> None:
    first, second = (SharedWatched(clock).response_time() for _ in range(2))
    operations.run("pay", 900, times=10)
    (one,) = first.look()
    operations.run("pay", 10, times=5000)
    assert first.look(70) == []  # and it is killed
    for _ in range(8):
        operations.run("pay", 900, times=500)
        found = second.look()
    assert [again.id for again in found] == [one.id]
    assert second.told.events == ["reopened"]


@pytest.mark.usefixtures("shared_folder")
def test_what_another_process_closed_long_ago_comes_back_as_another_incident(
    clock: FakeClock, operations: Operations
) -> None:
    first, second = (SharedWatched(clock).response_time() for _ in range(2))
    operations.run("pay", 900, times=10)
    (one,) = first.look()
    operations.run("pay", 10, times=5000)
    assert first.look(70) == []
    clock.advance(300)
    for _ in range(8):
        operations.run("pay", 900, times=500)
        found = second.look()
    assert [again.id for again in found] not in ([], [one.id])
    assert second.told.events == ["opened"]


@pytest.mark.usefixtures("shared_folder")
def test_a_young_process_that_takes_over_judges_whole_windows_only(
    clock: FakeClock, operations: Operations
) -> None:
    """All that it saw at first had failed; in the window one in ten had."""
    first = SharedWatched(clock).error_rate(50)
    assert first.pipeline.writer is not None
    assert first.pipeline.writer.shared.try_lead()
    operations.run("pay", 5, times=900)
    first.look()
    operations.recorder.reset()  # as in another process: what it counts on its own begins with it
    second = SharedWatched(clock).error_rate(50)
    operations.run("pay", 5, times=100, fails=True)
    assert first.look() == second.look(0) == []  # and the first one is killed
    seen = []
    for _ in range(6):
        operations.run("pay", 5, times=100, fails=True)
        seen.append(second.look())
    assert seen[:4] == [[]] * 4
    assert second.told.events == ["opened"]


@pytest.mark.usefixtures("shared_folder")
def test_who_always_looks_seldom_says_nothing_the_first_time_only(
    clock: FakeClock, operations: Operations
) -> None:
    subject = SharedWatched(clock).response_time()
    seen = []
    for _ in range(3):
        operations.run("pay", 900, times=10)
        seen.append([one.operation for one in subject.look(300)])
    assert seen == [[], ["pay"], ["pay"]]


def test_a_burn_that_a_restart_interrupts_is_one_incident_and_closes_when_it_is_over(
    clock: FakeClock, operations: Operations
) -> None:
    def process() -> Watched:
        made = Watched(clock)
        for alert in burn_rate_alerts("api", 99.0, "production", slo=None, ticket_channels=None, **COMMON):
            made.watch.add(alert, in_background=False, also=None)
        return made

    def minutes(subject: Watched, number: int, fails: int) -> list[PerformanceIncident]:
        found = []
        for _ in range(number):
            operations.run("pay", 5, times=5)
            operations.run("pay", 5, times=fails, fails=True)
            found = subject.look(60)
        return found

    first = process()
    (fast, *_) = minutes(first, 30, fails=5)
    first.watch.close()
    operations.recorder.reset()
    second = process()
    assert minutes(second, 2, fails=0)[0].id == fast.id
    assert second.told.events == []
    minutes(second, 10, fails=0)
    assert second.told.events[0] == "closed"
