"""Notifications that a process could not tell: left in the store, told by the next one, never by two."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from genesis_performance.export.limits import Complaints
from genesis_performance.export.sinks.memory import MemorySink
from genesis_performance.gcp import call, close_all
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.monitor.channels import CLOSED, OPENED, ChannelError, Notification, Notifier
from genesis_performance.monitor.channels.delivery import Delivery
from genesis_performance.monitor.channels.notification import body
from genesis_performance.monitor.channels.outbox import Outbox
from genesis_performance.monitor.records import MonitorRecords, log
from genesis_performance.storage import Store, open_store

from .conftest import FakeClock, Operations, Receiver, status
from .test_channels import incident, settings_of

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator

STORE = "sqlite:///history.db"
LEASE_S = 600.0


class Chat:
    """A channel in memory that fails, or hangs, for as long as it is told to."""

    def __init__(self, name: str = "chat") -> None:
        self.name = name
        self.told: list[Notification] = []
        self.is_down = False
        self.goes_on = threading.Event()
        self.goes_on.set()

    def send(self, notification: Notification, *, timeout_s: float) -> None:
        self.goes_on.wait(60)
        if self.is_down:
            raise ChannelError("down", may_retry=True)
        self.told.append(notification)

    @property
    def keys(self) -> list[str]:
        return [one.key for one in self.told]


Process = Callable[..., Notifier]


@pytest.fixture
def process(clock: FakeClock) -> Iterator[Process]:
    """Makes the notifier of one process; all of them share the store."""
    made = []

    def make(*channels: Chat, store: Store | str = STORE, **options: Any) -> Notifier:
        records = MonitorRecords(store, Complaints(log))
        outbox = Outbox(records, clock=clock, lease_s=LEASE_S)

        def delivery(settled: Any) -> Delivery:
            return Delivery(channels, clock=clock, settled=settled, chance=lambda: 1.0, **options)

        notifier = Notifier(delivery, outbox, clock=clock)
        made.append(notifier)
        return notifier

    yield make
    for one in made:
        one.close(60)


def told(clock: FakeClock, event: str = OPENED, number: int = 1) -> Notification:
    return Notification(event=event, at_unix_ns=clock.unix_ns(), incident=incident(number=number))


def waiting() -> int:
    return len(MonitorRecords(STORE, Complaints(log)).waiting())


def test_what_neither_a_channel_nor_the_store_takes_is_lost_and_said(
    clock: FakeClock, process: Process, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    chat = Chat()
    chat.is_down = True
    subject = process(chat, store=f"sqlite:///{tmp_path}/file/history.db")
    subject.tell(told(clock))
    assert not subject.close(60)
    assert (subject.counts["left"], subject.counts["lost"]) == (0, 1)
    assert "1 notifications are lost" in caplog.text


def test_what_was_kept_before_the_store_failed_is_left_to_the_next_process(
    clock: FakeClock, process: Process
) -> None:
    with open_store(STORE) as store:
        chat = Chat()
        chat.is_down = True
        subject = process(chat, store=store)
        subject.tell(told(clock))
    assert not subject.close(60)  # the store is closed, its record stays
    assert (subject.counts["left"], subject.counts["lost"]) == (1, 0)
    assert waiting() == 1


def test_a_channel_that_fails_is_said_at_once_and_once(
    clock: FakeClock, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    chat = Chat()
    chat.is_down = True
    subject = process(chat)
    subject.tell(told(clock, number=1))
    assert not subject.close(60)
    assert subject.counts["tried again"] >= 1
    assert caplog.text.count("chat is not told of an incident yet: down") == 1


def test_what_was_told_is_not_kept(clock: FakeClock, process: Process) -> None:
    chat = Chat()
    subject = process(chat)
    subject.tell(told(clock))
    assert subject.close(60)
    assert len(chat.told) == 1
    assert waiting() == 0


def test_the_next_process_tells_what_one_could_not_marked_late_and_once(
    clock: FakeClock, process: Process
) -> None:
    chat = Chat()
    chat.is_down = True
    first = process(chat)
    first.tell(told(clock))
    assert not first.close(60)
    assert first.counts["left"] == 1
    chat.is_down = False
    clock.advance(120)
    second, third = process(chat), process(chat)
    second.catch_up()
    third.catch_up()
    assert second.close(60)
    assert third.close(60)
    (late,) = chat.told
    assert late.is_late
    assert body(late)["late"] is True
    assert "told late" in body(late)["text"]
    assert late.key == told(clock).key
    assert waiting() == 0


def test_late_ones_keep_their_order(clock: FakeClock, process: Process) -> None:
    chat = Chat()
    chat.is_down = True
    first = process(chat)
    for event in (OPENED, CLOSED):
        first.tell(told(clock, event))
        clock.advance(1)
    first.close(60)
    chat.is_down = False
    second = process(chat)
    second.catch_up()
    second.close(60)
    assert [one.event for one in chat.told] == [OPENED, CLOSED]


def test_only_the_channel_that_was_not_told_is_told_later(clock: FakeClock, process: Process) -> None:
    fine, ill = Chat("fine"), Chat("ill")
    ill.is_down = True
    first = process(fine, ill)
    first.tell(told(clock))
    first.close(60)
    ill.is_down = False
    second = process(fine, ill)
    second.catch_up()
    second.close(60)
    assert len(fine.told) == len(ill.told) == 1
    assert ill.told[0].is_late
    assert not fine.told[0].is_late


def test_what_a_killed_process_left_is_told_when_its_lease_is_over(
    clock: FakeClock, process: Process
) -> None:
    hanging = Chat()
    hanging.goes_on.clear()
    process(hanging).tell(told(clock))  # and never closed: as far as others know it was killed
    chat = Chat()
    second = process(chat)
    second.catch_up()
    assert second.counts["late"] == 0
    clock.advance(LEASE_S + 1)
    second.catch_up()
    second.close(60)
    assert len(chat.told) == 1
    hanging.goes_on.set()


def test_what_is_given_up_is_not_told_later(clock: FakeClock, process: Process) -> None:
    chat = Chat()
    chat.is_down = True
    first = process(chat, retry_s=0.0)
    first.tell(told(clock))
    assert first.close(60)
    assert first.counts["failed"] == 1
    assert waiting() == 0


def test_what_happened_days_ago_is_no_news(clock: FakeClock, process: Process) -> None:
    chat = Chat()
    chat.is_down = True
    first = process(chat)
    first.tell(told(clock))
    first.close(60)
    chat.is_down = False
    clock.advance(25 * 3600)
    second = process(chat)
    second.catch_up()
    second.close(60)
    assert chat.told == []
    assert waiting() == 0


def test_what_a_digest_told_is_not_told_later(clock: FakeClock, process: Process) -> None:
    chat = Chat()
    first = process(chat, max_per_minute=1)
    for number in range(5):
        first.tell(told(clock, number=number))
    assert first.close(60)
    assert waiting() == 0


def test_the_end_does_not_wait_longer_than_it_may_for_a_channel_that_hangs(
    clock: FakeClock, process: Process
) -> None:
    hanging = Chat()
    hanging.goes_on.clear()
    subject = process(hanging)
    subject.tell(told(clock))
    assert not subject.close(0.05)  # it would hang for a minute
    assert subject.counts["left"] == 1
    assert hanging.told == []
    hanging.goes_on.set()


def test_a_process_that_goes_on_after_its_flush_tells_what_comes(clock: FakeClock, process: Process) -> None:
    chat = Chat()
    chat.is_down = True
    subject = process(chat)
    subject.tell(told(clock, number=1))
    subject.begin_flush(60, final=True)
    assert not subject.wait(None, 60)
    chat.is_down = False
    subject.tell(told(clock, number=2))
    subject.catch_up()
    assert subject.close(60)
    assert sorted(chat.keys) == sorted(told(clock, number=number).key for number in (1, 2))


def test_the_child_of_a_fork_tells_nothing_of_its_parents(clock: FakeClock, process: Process) -> None:
    chat = Chat()
    chat.is_down = True
    subject = process(chat)
    subject.tell(told(clock))
    subject.after_fork_in_child()
    chat.is_down = False
    assert subject.close(60)
    assert chat.told == []


def test_a_record_of_another_version_is_left_alone(clock: FakeClock, process: Process) -> None:
    with open_store(STORE) as store:
        store.put("note", "notification-waiting/chat/x", {"channel": "chat", "incident": {"id": 5}})
    chat = Chat()
    subject = process(chat)
    subject.catch_up()
    subject.close(60)
    assert chat.told == []


def test_a_channel_that_hangs_holds_up_neither_records_nor_exports_nor_evaluation(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock, operations: Operations
) -> None:
    """The receiver accepts and never answers; a try may take an hour, which no call here waits for."""
    sink = MemorySink()
    monkeypatch.setenv("GENESIS_PERF__MONITORING__ENABLE_ALERTING", "false")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        settings_of(monkeypatch, webhook_url=url, timeout_s="3600", retry_s="7200")
        monitor = PerformanceMonitor(service_name="api", clock=clock, store=STORE, sink=sink)
        monitor.create_response_time_alert("api", 500)
        operations.run("pay", 900, times=20)
        assert len(monitor.check_performance_thresholds()) == 1
        monitor.record_performance_metric("wait_ms", 5.0)
        assert len(monitor.check_performance_thresholds()) == 1
        assert monitor.flush(60)
        assert sink.value("operation/count", operation="pay", status="ok") == 20
        assert sink.value("wait_ms").count == 1
        assert monitor.close(0.5)
        assert monitor.health()["notifications"] == {"left": 1}


PROGRAM = """
import sys
from genesis_performance.export import flush_at_sigterm
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.operations import Recorder, register

flush_at_sigterm()
recorder = Recorder()
register(recorder)
monitor = PerformanceMonitor(service_name="api", store="sqlite:///history.db")
monitor.create_error_rate_alert("api", 5)
for _ in range(20):
    try:
        with recorder.operation("pay"):
            raise LookupError
    except LookupError:
        pass
if sys.argv[1] != "looks":
    assert monitor.check_performance_thresholds()
if sys.argv[1] == "waits":
    sys.stdin.readline()
"""


def run(monkeypatch: pytest.MonkeyPatch, receiver: Receiver, *arguments: str) -> "subprocess.Popen[str]":
    monkeypatch.setenv("GENESIS_PERF__MONITORING__BUFFER", "heap")
    settings_of(monkeypatch, webhook_url=receiver.url)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdin=subprocess.PIPE, text=True, cwd=Path.cwd()
    )


@pytest.mark.parametrize("ends", ["by itself", "by SIGTERM"])
def test_what_waits_for_a_retry_is_told_at_the_end_without_close(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, ends: str
) -> None:
    receiver.answers = [status(503, Retry_After="200")]
    child = run(monkeypatch, receiver, "waits")
    deadline = time.monotonic() + 60
    while not receiver.requests:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if ends == "by SIGTERM":
        os.kill(child.pid, signal.SIGTERM)
    child.communicate("\n", timeout=60)
    first, second = receiver.bodies()
    assert first == second
    assert first["event"] == "opened"
    assert waiting() == 0


def test_a_receiver_that_was_down_until_the_end_is_told_by_the_next_process(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    receiver.answers = [status(503)] * 100
    run(monkeypatch, receiver, "opens").communicate(timeout=60)
    assert waiting() == 1
    receiver.answers.clear()
    receiver.requests.clear()
    run(monkeypatch, receiver, "opens").communicate(timeout=60)
    assert [(one["event"], one["late"]) for one in receiver.bodies()] == [("opened", True)]
    assert waiting() == 0


def test_a_key_that_can_not_be_read_is_said_by_a_short_script_once(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__BUFFER", "heap")
    settings_of(monkeypatch, webhook_url=receiver.url, webhook_key_file="no/such/file")
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, "opens"],
        check=True,
        cwd=Path.cwd(),
        text=True,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    assert ended.stderr.count("its URL or key could not be read") == 1
    assert receiver.requests == []
    assert waiting() == 1


def test_a_topic_is_told_at_the_end_without_close(
    monkeypatch: pytest.MonkeyPatch, genesis_emulator: "RunningEmulator"
) -> None:
    topic, subscription = "projects/p/topics/incidents", "projects/p/subscriptions/incidents"
    call("pubsub_publisher", "create_topic", {"name": topic})
    call("pubsub_subscriber", "create_subscription", {"name": subscription, "topic": topic})
    monkeypatch.setenv("GENESIS_PERF__MONITORING__BUFFER", "heap")
    settings_of(monkeypatch, pubsub_topic=topic)
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, "opens"], cwd=Path.cwd())
    assert child.wait(60) == 0
    answer = call("pubsub_subscriber", "pull", {"subscription": subscription, "max_messages": 10})
    close_all()
    assert len(answer.received_messages) + waiting() == 1, "told, or left to the next process"


def test_a_channel_that_can_start_no_thread_is_asked_again(clock: FakeClock, process: Process) -> None:
    class Threadless(Chat):
        def send(self, notification: Notification, *, timeout_s: float) -> None:
            raise RuntimeError("can't create new thread at interpreter shutdown")

    subject = process(Threadless())
    subject.tell(told(clock))
    assert not subject.close(60)
    assert waiting() == 1


RACE = """
import sys
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.operations import Recorder, register

recorder = Recorder()
register(recorder)
monitor = PerformanceMonitor(service_name="api", store="sqlite:///history.db")
monitor.create_error_rate_alert("api", 5)
try:
    with recorder.operation("pay"):
        raise LookupError
except LookupError:
    pass
print("ready", flush=True)
for line in sys.stdin:
    print(len(monitor.check_performance_thresholds()), flush=True)
monitor.close()
"""


def test_of_workers_that_look_at_once_one_opens_and_tells(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__SINK", "memory")
    monkeypatch.setenv("GENESIS_PERF__MONITORING__ENABLE_ALERTING", "false")
    settings_of(monkeypatch, webhook_url=receiver.url)
    pipe = subprocess.PIPE
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE], stdin=pipe, stdout=pipe, text=True, cwd=Path.cwd(), bufsize=1
        )
        for _ in range(4)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("look\n")
    for worker in workers:
        assert worker.communicate(timeout=60)[0] == "1\n"
    assert [one["event"] for one in receiver.bodies()] == ["opened"]
    assert len(MonitorRecords(STORE, Complaints(log)).incidents()) == 1
