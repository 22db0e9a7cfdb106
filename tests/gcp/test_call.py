from __future__ import annotations

import socket
import time
from datetime import timedelta

import grpc
import pytest
from google.cloud import monitoring_v3, secretmanager_v1
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from genesis_performance import config, gcp
from genesis_performance.errors import (
    CloudDeadlineError,
    CloudError,
    CloudInvalidError,
    CloudNotFoundError,
    CloudUnavailableError,
)
from genesis_performance.gcp.calling import Attempt

CODE = grpc.StatusCode
SECRET = secretmanager_v1.Secret(name="projects/p/secrets/s")
PATH = {"name": "projects/p/secrets/s"}


def read(**options):
    return gcp.call("secret_manager", "get_secret", PATH, **options)


def test_a_read_is_tried_again_after_a_transient_error(wire):
    wire.answers["GetSecret"] = [CODE.UNAVAILABLE, CODE.RESOURCE_EXHAUSTED, CODE.INTERNAL, SECRET]
    assert read().name == SECRET.name
    assert len(wire.requests) == 4


async def test_an_async_read_is_tried_again_after_a_transient_error(wire):
    wire.answers["GetSecret"] = [CODE.UNAVAILABLE, SECRET]
    assert (await gcp.acall("secret_manager", "get_secret", PATH)).name == SECRET.name


def test_retries_end_at_the_deadline(wire):
    wire.answers["GetSecret"] = [CODE.UNAVAILABLE]
    with pytest.raises(CloudUnavailableError):
        read(timeout_s=0.3)


@pytest.mark.parametrize(
    "code", ["NOT_FOUND", "PERMISSION_DENIED", "INVALID_ARGUMENT", "FAILED_PRECONDITION"]
)
def test_an_answer_is_not_asked_for_twice(wire, code):
    wire.answers["GetSecret"] = [CODE[code]]
    with pytest.raises(CloudError) as caught:
        read()
    assert caught.value.code == code
    assert len(wire.requests) == 1


def test_a_write_is_sent_once(wire):
    wire.answers["CreateTimeSeries"] = [CODE.UNAVAILABLE]
    with pytest.raises(CloudUnavailableError):
        gcp.call("metrics", "create_time_series", {"name": "projects/p"})
    assert len(wire.requests) == 1


def test_a_write_known_to_be_idempotent_is_tried_again(wire):
    wire.answers["DeleteSecret"] = [CODE.UNAVAILABLE, secretmanager_v1.GetSecretRequest()]
    gcp.call("secret_manager", "delete_secret", PATH, retry=True)
    assert len(wire.requests) == 2


def test_a_read_can_be_sent_only_once(wire):
    wire.answers["GetSecret"] = [CODE.UNAVAILABLE, SECRET]
    with pytest.raises(CloudUnavailableError):
        read(retry=False)


def test_every_call_has_a_deadline(wire):
    wire.answers["GetSecret"] = [SECRET]
    wire.answers["ListDashboards"] = [secretmanager_v1.ListSecretsResponse()]
    read()
    read(timeout_s=100)
    gcp.call("dashboards", "list_dashboards", {"parent": "projects/p"})  # Google's default: none
    assert 0 < wire.deadlines_s[0] <= 10.1
    assert 10.1 < wire.deadlines_s[1] <= 105  # gRPC rounds up
    assert 0 < wire.deadlines_s[2] <= 10.1


def test_no_answer_in_time_is_an_outage():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        config.reset(config.load(arguments={"gcp.emulator": address, "gcp.timeout_s": 600}))
        begin = time.perf_counter()
        with pytest.raises(CloudUnavailableError):
            gcp.call("secret_manager", "get_secret", PATH, timeout_s=0.3)
        assert time.perf_counter() - begin < 60
        gcp.close_all()


def test_a_raw_protobuf_request_is_sent_as_it_is(wire):
    wire.answers["CreateTimeSeries"] = [secretmanager_v1.GetSecretRequest()]
    raw = monitoring_v3.CreateTimeSeriesRequest.pb(
        monitoring_v3.CreateTimeSeriesRequest(name="projects/p", time_series=[{"unit": "ms"}])
    )
    gcp.call("metrics", "create_time_series", raw)
    assert wire.requests == [("CreateTimeSeries", raw.SerializeToString())]


@pytest.mark.parametrize("form", ["mapping", "proto-plus", "raw"])
def test_each_reads_every_page(wire, form):
    pages = [["a", "b"], ["c"], []]
    wire.answers["ListSecrets"] = [
        secretmanager_v1.ListSecretsResponse(
            secrets=[{"name": name} for name in page], next_page_token=f"t{i}" if i < 2 else ""
        )
        for i, page in enumerate(pages)
    ]
    request = secretmanager_v1.ListSecretsRequest(parent="projects/p")
    given = {
        "mapping": {"parent": "projects/p"},
        "proto-plus": request,
        "raw": secretmanager_v1.ListSecretsRequest.pb(request),
    }[form]
    assert [s.name for s in gcp.each("secret_manager", "list_secrets", given)] == ["a", "b", "c"]
    tokens = [secretmanager_v1.ListSecretsRequest.deserialize(sent).page_token for _, sent in wire.requests]
    assert tokens == ["", "t0", "t1"]
    assert request.page_token == ""


async def test_aeach_reads_every_page_and_repeats_only_the_failed_one(wire):
    wire.answers["ListSecrets"] = [
        secretmanager_v1.ListSecretsResponse(secrets=[{"name": "a"}], next_page_token="t"),
        CODE.UNAVAILABLE,
        secretmanager_v1.ListSecretsResponse(secrets=[{"name": "b"}]),
    ]
    found = [s.name async for s in gcp.aeach("secret_manager", "list_secrets", {"parent": "projects/p"})]
    assert found == ["a", "b"]
    assert len(wire.requests) == 3


def status(code: int, *details) -> status_pb2.Status:
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code, message="as the test says", details=packed)


def test_the_pause_that_the_service_asks_for_is_kept(wire):
    retry_info = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=300_000_000))
    wire.answers["GetSecret"] = [
        (CODE.RESOURCE_EXHAUSTED, status(code_pb2.RESOURCE_EXHAUSTED, retry_info)),
        SECRET,
    ]
    begin = time.perf_counter()
    read()
    assert time.perf_counter() - begin >= 0.3


def test_details_of_the_service_s_own_packages_are_unpacked(wire):
    summary = monitoring_v3.CreateTimeSeriesSummary.pb(
        monitoring_v3.CreateTimeSeriesSummary(total_point_count=2, success_point_count=1)
    )
    wire.answers["CreateTimeSeries"] = [(CODE.INVALID_ARGUMENT, status(code_pb2.INVALID_ARGUMENT, summary))]
    with pytest.raises(CloudInvalidError) as caught:
        gcp.call("metrics", "create_time_series", {"name": "projects/p"})
    (detail,) = caught.value.details
    assert (detail.total_point_count, detail.success_point_count) == (2, 1)


def test_the_message_names_method_resource_and_code_and_keeps_google_s_error(wire):
    wire.answers["GetSecret"] = [CODE.NOT_FOUND]
    with pytest.raises(CloudNotFoundError) as caught:
        read()
    expected = "secret_manager.get_secret projects/p/secrets/s: NOT_FOUND: as the test says"
    assert str(caught.value) == expected
    assert type(caught.value.__cause__).__module__ == "google.api_core.exceptions"


def test_the_message_never_repeats_the_request(wire):
    wire.answers["AddSecretVersion"] = [CODE.INVALID_ARGUMENT]
    with pytest.raises(CloudInvalidError) as caught:
        gcp.call(
            "secret_manager",
            "add_secret_version",
            {"parent": "projects/p/secrets/s", "payload": {"data": b"canary"}},
        )
    assert "canary" not in f"{caught.value}{caught.value.__cause__}{caught.value.details}"


def test_a_dead_emulator_is_named(wire):
    wire.answers["GetSecret"] = [SECRET]
    read()
    wire.stop()
    with pytest.raises(CloudUnavailableError, match=f"emulator at {wire.address}; is it running"):
        read(retry=False)


def test_an_unknown_field_is_the_caller_s_error(wire):
    with pytest.raises(ValueError, match="Unknown field"):
        gcp.call("secret_manager", "get_secret", {"nam": "x"})


class TestAttempt:
    def attempt(self, chance: float, timeout_s: float = 10.0, may_retry: bool = True) -> Attempt:
        self.now = 0.0
        return Attempt("x", timeout_s, may_retry, clock=lambda: self.now, chance=lambda: chance)

    def test_pauses_double_up_to_five_seconds(self):
        attempt = self.attempt(1.0, timeout_s=1000)
        error = CloudUnavailableError("down")
        pauses = [attempt.pause_s(error, error) for _ in range(9)]
        assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]

    def test_jitter_is_full(self):
        error = CloudUnavailableError("down")
        assert self.attempt(0.0).pause_s(error, error) == 0.0

    def test_a_pause_beyond_the_deadline_is_not_waited_for(self):
        attempt = self.attempt(1.0, timeout_s=0.04)
        with pytest.raises(CloudDeadlineError):
            attempt.pause_s(CloudDeadlineError("late"), TimeoutError())

    def test_what_is_left_shrinks_and_never_reaches_zero(self):
        attempt = self.attempt(1.0, timeout_s=2)
        assert attempt.remaining_s() == 2
        self.now = timedelta(seconds=5).total_seconds()
        assert attempt.remaining_s() > 0
