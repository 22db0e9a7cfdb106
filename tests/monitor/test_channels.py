"""Channels against real servers on this machine; the pauses are those of a clock that the tests move."""

import http.server
import json
import logging
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance import config
from genesis_performance.errors import ConfigurationError
from genesis_performance.gcp import call
from genesis_performance.model.alert import IncidentState, PerformanceIncident
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.monitor.channels import (
    CLOSED,
    DIGEST,
    OPENED,
    ChannelError,
    Notification,
    open_channels,
)
from genesis_performance.monitor.channels.delivery import Delivery
from genesis_performance.monitor.channels.notification import as_json, as_slack, text
from genesis_performance.monitor.channels.signature import HEADER, sign, verify
from genesis_performance.monitor.channels.webhook import Webhook, checked_url

from .conftest import FakeClock, Operations, Receiver, status

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator

SECOND = 1_000_000_000


def incident(operation: str = "pay", number: int = 1, **changes: Any) -> PerformanceIncident:
    fields: dict[str, Any] = {
        "id": f"api-response-time-production/{operation}/{number}",
        "alert_name": "api-response-time-production",
        "service_name": "api",
        "operation": operation,
        "state": IncidentState.OPEN,
        "current_value": 812.3,
        "worst_value": 900.0,
        "threshold": 500.0,
        "unit": "ms",
        "opened_unix_ns": 60 * SECOND,
    }
    return PerformanceIncident(**(fields | changes))


def opened(number: int = 1, operation: str = "pay") -> Notification:
    return Notification(
        event=OPENED, at_unix_ns=60 * SECOND, incident=incident(operation, number), severity="ERROR"
    )


def webhook(url: str, key: bytes | None = None, **options: Any) -> Webhook:
    return Webhook(lambda: url, lambda: key, **options)


def delivery(clock: FakeClock, *channels: Any, **options: Any) -> Delivery:
    return Delivery(channels, clock=clock, **({"timeout_s": 2.0, "chance": lambda: 1.0} | options))


def test_a_webhook_is_told_of_an_incident(receiver: Receiver) -> None:
    webhook(receiver.url).send(opened(), timeout_s=2)
    ((headers, body),) = receiver.requests
    told = json.loads(body)
    assert headers["Content-Type"] == "application/json"
    assert (told["event"], told["severity"]) == ("opened", "ERROR")
    assert told["incident"]["operation"] == "pay"
    assert told["incident"]["value"] == 812.3
    assert told["text"] == "[ERROR] pay of api: 812.3 ms, threshold 500 ms (api-response-time-production)"


def test_a_request_is_signed_so_that_its_receiver_can_tell(receiver: Receiver) -> None:
    webhook(receiver.url, b"key", unix_s=lambda: 1000.0).send(opened(), timeout_s=2)
    ((headers, body),) = receiver.requests
    signed = headers[HEADER]
    assert signed.startswith("t=1000,v1=")
    assert verify(b"key", body, signed, now_unix_s=1010)
    assert not verify(b"other", body, signed, now_unix_s=1010)
    assert not verify(b"key", body + b" ", signed, now_unix_s=1010)
    assert not verify(b"key", body, signed.replace("1000", "1001"), now_unix_s=1010)
    assert not verify(b"key", body, signed, now_unix_s=1301)


@given(st.binary(min_size=1), st.binary(), st.text())
def test_only_a_signature_made_with_the_key_verifies(key: bytes, body: bytes, other: str) -> None:
    assert verify(key, body, sign(key, body, 5), now_unix_s=5)
    assert not verify(key, body, other, now_unix_s=5)


def test_without_a_key_nothing_is_signed(receiver: Receiver) -> None:
    webhook(receiver.url).send(opened(), timeout_s=2)
    assert HEADER not in receiver.requests[0][0]


def test_slack_gets_a_text_with_its_control_characters_escaped(receiver: Receiver) -> None:
    webhook(receiver.url, encode=as_slack).send(opened(operation="a<b>&c"), timeout_s=2)
    (told,) = receiver.bodies()
    assert set(told) == {"text"}
    assert "a&lt;b&gt;&amp;c of api" in told["text"]


def test_nothing_personal_is_told() -> None:
    notification = opened(operation="GET /users/12345/jane.doe@example.com")
    for told in (as_json(notification), as_slack(notification)):
        assert b"12345" not in told
        assert b"jane.doe" not in told


def test_an_unknown_value_is_null_and_not_nan() -> None:
    notification = Notification(
        event=OPENED, at_unix_ns=1, incident=incident(current_value=float("nan"), worst_value=float("nan"))
    )
    assert json.loads(as_json(notification))["incident"]["value"] is None
    assert "unknown ms" in text(notification)


@pytest.mark.parametrize("code", [500, 503, 429, 408])
def test_a_receiver_that_is_ill_is_asked_again(receiver: Receiver, clock: FakeClock, code: int) -> None:
    receiver.answers = [status(code), status(code)]
    subject = delivery(clock, webhook(receiver.url))
    subject.put(opened())
    assert subject.turn() == 1
    assert subject.turn() == 1  # not before its time
    assert len(receiver.requests) == 1
    clock.advance(1)
    assert subject.turn() == 2
    clock.advance(2)
    assert subject.turn() is None
    assert subject.counts == {"tried again": 2, "delivered": 1}
    assert len({body for _, body in receiver.requests}) == 1


@pytest.mark.parametrize("code", [400, 401, 404, 410])
def test_a_receiver_that_refuses_is_not_asked_again(
    receiver: Receiver, clock: FakeClock, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [status(code)]
    subject = delivery(clock, webhook(receiver.url))
    subject.put(opened())
    assert subject.turn() is None
    assert subject.counts == {"failed": 1}
    assert f"HTTP {code}" in caplog.text
    assert "room=1" not in caplog.text  # the URL may hold a token


def test_a_redirect_is_not_followed(receiver: Receiver, clock: FakeClock) -> None:
    receiver.answers = [status(307, Location=receiver.url)]
    with pytest.raises(ChannelError, match="redirects are not followed"):
        webhook(receiver.url).send(opened(), timeout_s=2)
    assert len(receiver.requests) == 1


def test_the_pause_that_the_receiver_asks_for_is_kept(receiver: Receiver, clock: FakeClock) -> None:
    receiver.answers = [status(429, Retry_After="40")]
    subject = delivery(clock, webhook(receiver.url))
    subject.put(opened())
    assert subject.turn() == 40


def test_it_is_given_up_in_the_end(receiver: Receiver, clock: FakeClock) -> None:
    receiver.answers = [status(503)] * 100
    subject = delivery(clock, webhook(receiver.url), retry_s=100)
    subject.put(opened())
    while (wait_s := subject.turn()) is not None:
        clock.advance(wait_s)
    assert subject.counts["failed"] == 1
    assert 5 <= len(receiver.requests) <= 8


def test_a_receiver_that_hangs_costs_only_the_time_it_is_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        begin = time.monotonic()
        with pytest.raises(ChannelError) as error:
            webhook(f"http://127.0.0.1:{server.getsockname()[1]}/").send(opened(), timeout_s=0.2)
        assert time.monotonic() - begin < 60
        assert error.value.may_retry


def test_a_receiver_that_answers_a_byte_at_a_time_is_cut_off(receiver: Receiver) -> None:
    over = threading.Event()

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        for character in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
            if over.wait(0.05):
                return
            handler.wfile.write(bytes((character,)))

    receiver.answers = [drip]
    begin = time.monotonic()
    with pytest.raises(ChannelError):
        webhook(receiver.url).send(opened(), timeout_s=0.4)
    over.set()
    assert time.monotonic() - begin < 60  # it would take 300 s


def test_a_huge_answer_is_not_read(receiver: Receiver) -> None:
    written = 0

    def huge(handler: http.server.BaseHTTPRequestHandler) -> None:
        nonlocal written
        status(200)(handler)
        for _ in range(1000):
            handler.wfile.write(bytes(1 << 20))
            written += 1 << 20

    receiver.answers = [huge]
    webhook(receiver.url).send(opened(), timeout_s=5)
    assert written < 64 << 20


def test_nobody_there_is_a_failure_that_may_pass() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ChannelError) as error:
        webhook(f"http://127.0.0.1:{port}/secret-path").send(opened(), timeout_s=1)
    assert error.value.may_retry
    assert "secret-path" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "http://169.254.169.254/computeMetadata/v1/",
        "http://10.0.0.1/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://user:word@example.com/",
        "https://",
        "https://host:port/",
        "nonsense",
    ],
)
def test_a_url_that_others_could_read_or_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"notifications\.webhook_url"):
        checked_url(url)


@pytest.mark.parametrize("url", ["https://example.com/x", "http://localhost:8080/", "http://[::1]/"])
def test_https_and_this_machine_are_allowed(url: str) -> None:
    assert checked_url(url).hostname


def test_plain_http_can_be_allowed() -> None:
    assert checked_url("http://10.0.0.1/", allow_private_http=True).hostname == "10.0.0.1"


def test_too_many_notifications_become_one_digest(receiver: Receiver, clock: FakeClock) -> None:
    subject = delivery(clock, webhook(receiver.url), max_per_minute=3)
    for number in range(30):
        subject.put(opened(number))
    while subject.turn() == 0:
        pass
    assert len(receiver.requests) == 3
    clock.advance(60)
    assert subject.turn() is None
    (*_, digest) = receiver.bodies()
    assert (digest["event"], digest["held_back"]) == (DIGEST, 27)
    assert len(digest["notifications"]) == 20
    assert subject.counts["held back"] == 27
    assert subject.is_idle


def test_an_incident_is_never_told_to_close_before_it_is_told_to_open(
    receiver: Receiver, clock: FakeClock
) -> None:
    receiver.answers = [status(503)]
    subject = delivery(clock, webhook(receiver.url))
    subject.put(opened())
    subject.turn()
    subject.put(Notification(event=CLOSED, at_unix_ns=2, incident=incident()))
    clock.advance(60)
    while subject.turn() is not None:
        pass
    assert [told["event"] for told in receiver.bodies()[1:]] == ["opened", "closed"]


def test_a_channel_that_fails_holds_up_no_other(receiver: Receiver, clock: FakeClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        dead = webhook(f"http://127.0.0.1:{server.getsockname()[1]}/")
        subject = delivery(clock, dead, webhook(receiver.url), timeout_s=2)
        subject.put(opened())
        subject.turn()
    assert len(receiver.requests) == 1


def test_a_full_queue_drops_and_counts(clock: FakeClock, receiver: Receiver) -> None:
    subject = delivery(clock, webhook(receiver.url), queue_size=5)
    for number in range(8):
        subject.put(opened(number))
    assert subject.counts["dropped"] == 3


@given(st.lists(st.sampled_from(["put", "turn", "wait"]), max_size=60), st.integers(1, 4))
def test_each_notification_is_told_dropped_or_failed_exactly_once(steps: list[str], limit: int) -> None:
    clock, told, puts = FakeClock(), [], 0

    class Remembering:
        name = "remembering"
        tries = 0

        def send(self, notification: Notification, *, timeout_s: float) -> None:
            self.tries += 1
            if self.tries % 3 == 0:
                raise ChannelError("every third", may_retry=self.tries % 2 == 0)
            held = notification.held or (notification,)
            told.extend(one.key for one in held)

    subject = delivery(clock, Remembering(), max_per_minute=limit, queue_size=7)
    failed = 0
    for step in steps:
        if step == "put":
            subject.put(opened(puts))
            puts += 1
        elif step == "turn":
            subject.turn()
        else:
            clock.advance(20)
    for _ in range(300):
        if subject.is_idle:
            break
        subject.turn()
        clock.advance(20)
    failed = subject.counts["failed"]
    assert subject.is_idle
    assert len(told) == len(set(told))
    if not failed:  # a digest that fails takes many with it
        assert len(told) + subject.counts["dropped"] == puts


def settings_of(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"GENESIS_PERF__NOTIFICATIONS__{name.upper()}", value)
    config.reset()


def test_without_settings_nobody_is_told() -> None:
    assert open_channels() == []


def test_the_settings_make_a_signed_slack_webhook(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "key").write_bytes(b"the key\n")
    settings_of(
        monkeypatch, webhook_url=receiver.url, webhook_format="slack", webhook_key_file=str(tmp_path / "key")
    )
    (channel,) = open_channels()
    channel.send(opened(), timeout_s=2)
    ((headers, body),) = receiver.requests
    assert verify(b"the key", body, headers[HEADER], now_unix_s=time.time())


def test_a_wrong_setting_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    settings_of(monkeypatch, webhook_url="http://example.com/")
    with pytest.raises(ConfigurationError, match="use https"):
        open_channels()


def test_two_places_of_one_secret_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    settings_of(monkeypatch, webhook_url="https://a.example/", webhook_url_secret="projects/p/secrets/s")
    with pytest.raises(ConfigurationError, match="keep one"):
        open_channels()


def test_a_key_that_can_not_be_read_is_tried_again_and_nothing_is_sent_unsigned(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    settings_of(monkeypatch, webhook_url=receiver.url, webhook_key_file="no/such/file")
    (channel,) = open_channels()
    with pytest.raises(ChannelError) as error:
        channel.send(opened(), timeout_s=2)
    assert error.value.may_retry
    assert receiver.requests == []


def test_a_topic_is_told(cloud: "RunningEmulator", monkeypatch: pytest.MonkeyPatch) -> None:
    topic, subscription = "projects/p/topics/incidents", "projects/p/subscriptions/incidents"
    call("pubsub_publisher", "create_topic", {"name": topic})
    call("pubsub_subscriber", "create_subscription", {"name": subscription, "topic": topic})
    settings_of(monkeypatch, pubsub_topic=topic)
    (channel,) = open_channels()
    channel.send(opened(), timeout_s=5)
    answer = call("pubsub_subscriber", "pull", {"subscription": subscription, "max_messages": 10})
    (message,) = [one.message for one in answer.received_messages]
    assert dict(message.attributes)["event"] == "opened"
    assert json.loads(message.data)["incident"]["operation"] == "pay"


def test_a_topic_that_is_missing_may_be_made_meanwhile(
    cloud: "RunningEmulator", monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_of(monkeypatch, pubsub_topic="projects/p/topics/none")
    (channel,) = open_channels()
    with pytest.raises(ChannelError) as error:
        channel.send(opened(), timeout_s=5)
    assert error.value.may_retry


def test_the_url_and_the_key_may_be_secrets(
    cloud: "RunningEmulator",
    monkeypatch: pytest.MonkeyPatch,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    for name, payload in (("url", receiver.url.encode()), ("key", b"hmac-key-value")):
        request: dict[str, Any] = {
            "parent": "projects/p",
            "secret_id": name,
            "secret": {"replication": {"automatic": {}}},
        }
        call("secret_manager", "create_secret", request)
        version = {"parent": f"projects/p/secrets/{name}", "payload": {"data": payload}}
        call("secret_manager", "add_secret_version", version)
    caplog.clear()
    settings_of(
        monkeypatch,
        webhook_url_secret="projects/p/secrets/url/versions/latest",
        webhook_key_secret="projects/p/secrets/key/versions/latest",
    )
    (channel,) = open_channels()
    channel.send(opened(), timeout_s=5)
    ((headers, body),) = receiver.requests
    assert verify(b"hmac-key-value", body, headers[HEADER], now_unix_s=time.time())
    assert "hmac-key-value" not in caplog.text


def test_a_monitor_tells_its_webhook_when_an_incident_opens_and_closes(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, clock: FakeClock, operations: Operations
) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__ENABLE_ALERTING", "false")
    settings_of(monkeypatch, webhook_url=receiver.url)
    with PerformanceMonitor(service_name="api", clock=clock, store="sqlite:///history.db") as monitor:
        monitor.create_response_time_alert("api", 500, severity="CRITICAL")
        operations.run("pay", 900, times=20)
        assert len(monitor.check_performance_thresholds()) == 1
        operations.run("pay", 10, times=5000)
        clock.advance(70)
        assert monitor.check_performance_thresholds() == []
    assert [told["event"] for told in receiver.bodies()] == ["opened", "closed"]
    assert receiver.bodies()[0]["severity"] == "CRITICAL"
    assert receiver.bodies()[0]["incident"]["operations"][0]["count"] == 20
    assert monitor.health()["notifications"] == {"delivered": 2}
