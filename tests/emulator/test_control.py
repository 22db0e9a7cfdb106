from __future__ import annotations

import time

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import recommender_v1, secretmanager_v1

LIST = "google.cloud.recommender.v1.Recommender/ListRecommendations"
MESSAGE = "is not emulated"


@pytest.fixture
def call(connect):
    """Calls a method that nobody wrote: what the front does shows without any service."""
    client = connect(recommender_v1.RecommenderClient)
    return lambda: list(
        client.list_recommendations(parent="projects/p/locations/l/recommenders/r", retry=None)
    )


def test_an_unwritten_method_answers_unimplemented_by_name(call):
    with pytest.raises(exceptions.MethodNotImplemented, match=f"{LIST} is not emulated"):
        call()


def test_a_profiler_method_is_registered_although_no_client_package_has_its_types(genesis_emulator):
    with grpc.insecure_channel(genesis_emulator.grpc) as channel:
        stub = channel.unary_unary("/google.devtools.cloudprofiler.v2.ProfilerService/CreateProfile")
        with pytest.raises(grpc.RpcError, match="CreateProfile is not emulated"):
            stub(b"\x0a\x01p")


def test_a_stream_nobody_wrote_answers_unimplemented(genesis_emulator):
    with grpc.insecure_channel(genesis_emulator.grpc) as channel:
        stub = channel.stream_stream("/google.pubsub.v1.Subscriber/StreamingPull")
        with pytest.raises(grpc.RpcError, match="StreamingPull is not emulated"):
            next(stub(iter([b""])))


def test_a_stray_path_answers_method_not_found(genesis_emulator):
    with (
        grpc.insecure_channel(genesis_emulator.grpc) as channel,
        pytest.raises(grpc.RpcError, match="Method not found!") as refused,
    ):
        channel.unary_unary("/google.monitoring.v3.MetricService/Invented")(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_fault_strikes_as_often_as_planted(http, call):
    http.post("/control/faults", json={"method": LIST, "code": "UNAVAILABLE", "times": 2}).raise_for_status()
    for _ in range(2):
        with pytest.raises(exceptions.ServiceUnavailable):
            call()
    with pytest.raises(exceptions.MethodNotImplemented):
        call()


def test_faults_of_one_method_strike_in_the_order_planted(genesis_emulator, call):
    genesis_emulator.fail(LIST, "ABORTED")
    genesis_emulator.fail(LIST, "RESOURCE_EXHAUSTED")
    with pytest.raises(exceptions.Aborted):
        call()
    with pytest.raises(exceptions.ResourceExhausted):
        call()


def test_a_fault_without_a_code_is_only_a_delay(http, call):
    http.post("/control/faults", json={"method": LIST, "delay_ms": 60}).raise_for_status()
    begin = time.monotonic()
    with pytest.raises(exceptions.MethodNotImplemented):
        call()
    assert time.monotonic() - begin >= 0.055


@pytest.fixture
def delayed(genesis_emulator):
    """A call of the same method that the emulator holds back for ten minutes."""
    genesis_emulator.fail(LIST, "OK", delay_ms=600_000)
    with grpc.insecure_channel(genesis_emulator.grpc) as channel:
        held = channel.unary_unary(f"/{LIST}").future(b"")
        while genesis_emulator.calls().get(LIST, 0) == 0:
            time.sleep(0.002)
        yield held
        held.cancel()


def test_a_delayed_call_does_not_hold_up_others(delayed, call):
    with pytest.raises(exceptions.MethodNotImplemented):
        call()
    assert not delayed.done()


def test_a_probable_fault_is_the_same_in_every_run(http, call):
    def pattern() -> list[bool]:
        http.post(
            "/control/faults", json={"method": LIST, "code": "ABORTED", "times": None, "probability": 0.5}
        )
        hits = []
        for _ in range(20):
            with pytest.raises((exceptions.Aborted, exceptions.MethodNotImplemented)) as answered:
                call()
            hits.append(answered.type is exceptions.Aborted)
        return hits

    assert pattern() == [
        False, False, True, True, False, True, False, True, True, False,
        False, False, True, False, False, True, False, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"code": "UNAVAILABLE"}, exceptions.ServiceUnavailable),
        ({"delay_ms": 60_000}, exceptions.DeadlineExceeded),
    ],
)
def test_an_applied_fault_loses_the_answer_and_not_the_work(http, connect, fault, error):
    client = connect(secretmanager_v1.SecretManagerServiceClient)
    response = http.post("/control/faults", json={"method": "CreateSecret", "applied": True, **fault})
    assert response.json()["applied"] is True
    with pytest.raises(error):
        client.create_secret(
            parent="projects/p",
            secret_id="s",
            secret={"replication": {"automatic": {}}},
            retry=None,
            timeout=2,
        )
    assert client.get_secret(name="projects/p/secrets/s").name.endswith("/s")


def test_an_applied_fault_stands_for_an_error_too(genesis_emulator, call):
    genesis_emulator.fail(LIST, "UNAVAILABLE", applied=True)
    with pytest.raises(exceptions.ServiceUnavailable):
        call()
    with pytest.raises(exceptions.MethodNotImplemented):
        call()


def test_planted_faults_are_listed_with_what_is_left_of_them(http, call):
    http.post("/control/faults", json={"method": LIST, "code": "ABORTED", "times": 3})
    with pytest.raises(exceptions.Aborted):
        call()
    (fault,) = http.get("/control/faults").json()
    assert (fault["method"], fault["code"], fault["times"]) == (LIST, "ABORTED", 2)


def test_cleared_faults_strike_no_more(http, call):
    http.post("/control/faults", json={"method": LIST, "code": "ABORTED", "times": 3})
    assert http.delete("/control/faults").json() == {"cleared": 1}
    with pytest.raises(exceptions.MethodNotImplemented):
        call()


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"method": "google.cloud.recommender.v1.Recommender/ListRecomendations", "code": "ABORTED"}, LIST),
        ({"code": "ABORTED"}, "needs a method"),
        ({"method": 7, "code": "ABORTED"}, "needs a method"),
        ({"method": LIST, "code": "TEAPOT"}, "must be one of OK, CANCELLED"),
        ({"method": LIST, "code": ["ABORTED"]}, "must be one of"),
        ({"method": LIST, "code": "ABORTED", "times": -1}, "times is -1"),
        ({"method": LIST, "code": "ABORTED", "times": 0}, "times is 0"),
        ({"method": LIST, "code": "ABORTED", "times": True}, "times is True"),
        ({"method": LIST, "code": "ABORTED", "delay_ms": -5}, "delay_ms is -5"),
        ({"method": LIST, "code": "ABORTED", "delay_ms": "5"}, "delay_ms is '5'"),
        ({"method": LIST, "code": "ABORTED", "probability": 1.5}, "probability is 1.5"),
        ({"method": LIST, "code": "ABORTED", "probability": 0}, "probability is 0"),
        ({"method": LIST}, "needs a code other than OK, or a delay_ms"),
        ({"method": LIST, "code": "ABORTED", "time": 3}, "no field time"),
        ({"method": LIST, "code": "ABORTED", "message": 3}, "message is 3"),
        ({"method": LIST, "code": "ABORTED", "applied": 1}, "applied is 1"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_with_the_reason(http, fault, complaint):
    response = http.post("/control/faults", json=fault)
    assert response.status_code == 400
    assert complaint in response.json()["error"]["message"]
    assert http.get("/control/faults").json() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'"x"', b"[" * 100_000, b'{"method": NaN}'])
def test_a_body_that_is_no_json_object_is_a_bad_request(http, body):
    for path in ("/control/faults", "/control/clock"):
        assert http.post(path, content=body).status_code == 400


def test_a_huge_body_is_refused(http):
    assert http.post("/control/faults", content=b" " * 2_000_000).status_code == 400


def test_calls_are_counted_by_method_and_also_when_they_fail(http, genesis_emulator, call):
    genesis_emulator.fail(LIST, "ABORTED")
    for _ in range(3):
        with pytest.raises(exceptions.GoogleAPICallError):
            call()
    assert http.get("/control/calls").json() == {LIST: 3}
    assert genesis_emulator.calls() == {LIST: 3}


def test_the_clock_moves_forward(http):
    before_s = http.get("/control/clock").json()["now_s"]
    after = http.post("/control/clock", json={"advance_s": 3600}).json()
    assert 3600 <= after["now_s"] - before_s < 3660


def test_a_frozen_clock_stands_until_it_is_let_go(http):
    frozen = http.post("/control/clock", json={"freeze": True}).json()
    assert http.get("/control/clock").json() == frozen
    http.post("/control/clock", json={"advance_s": 1})
    assert http.get("/control/clock").json()["now_s"] == pytest.approx(frozen["now_s"] + 1)
    assert http.post("/control/clock", json={"freeze": False}).json()["frozen"] is False


@pytest.mark.parametrize(
    "body", [{}, {"advance_s": -1}, {"advance_s": "1"}, {"advance_s": 1e30}, {"freeze": 1}, {"back_s": 1}]
)
def test_the_clock_refuses_what_it_can_not_do(http, body):
    assert http.post("/control/clock", json=body).status_code == 400


def test_health_is_answered(http):
    assert http.get("/healthz").json() == {"ok": True, "internal_errors": 0}


def test_an_unknown_http_path_is_not_found(http):
    response = http.get("/v3/projects/p/nothing")
    assert response.status_code == 404
    assert response.json()["error"]["status"] == "NOT_FOUND"


def test_a_wrong_http_method_is_refused(http):
    assert http.put("/control/faults", json={}).status_code == 405


def test_a_huge_body_without_a_length_is_refused(http):
    def parts():
        for _ in range(40):
            yield b" " * 65_536

    assert http.post("/control/faults", content=parts()).status_code == 400


def test_an_injected_alert_is_listed_and_is_no_call(http):
    injected = http.post("/control/alerts", json={"name": "projects/p/alerts/a1", "state": "OPEN"})
    assert injected.status_code == 200, injected.text
    (alert,) = http.get("/v3/projects/p/alerts").json()["alerts"]
    assert alert["state"] == "OPEN"
    assert http.get(f"/v3/{alert['name']}").json() == alert
    assert http.get("/control/calls").json() == {
        "google.monitoring.v3.AlertService/GetAlert": 1,
        "google.monitoring.v3.AlertService/ListAlerts": 1,
    }


def test_an_alert_that_makes_no_sense_is_a_bad_request(http):
    assert http.post("/control/alerts", json={"colour": "red"}).status_code == 400


def test_a_rest_method_can_fail_too(http, genesis_emulator):
    genesis_emulator.fail("ListAlerts", "UNAVAILABLE")
    failed = http.get("/v3/projects/p/alerts")
    assert failed.status_code == 503
    assert failed.json()["error"]["status"] == "UNAVAILABLE"
    assert http.get("/v3/projects/p/alerts").status_code == 200


@pytest.mark.parametrize("query", ["pageSize=-1", "pageSize=x", "pageSize=٣", "filter=((", "orderBy=colour"])
def test_a_rest_query_that_makes_no_sense_is_a_bad_request(http, query):
    assert http.get(f"/v3/projects/p/alerts?{query}").status_code == 400


def test_an_unknown_alert_is_not_found(http):
    assert http.get("/v3/projects/p/alerts/none").status_code == 404


def test_a_client_that_gives_up_leaves_the_emulator_well(delayed, call):
    delayed.cancel()
    with pytest.raises(exceptions.MethodNotImplemented):
        call()
