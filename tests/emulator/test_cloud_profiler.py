"""Offline profiles over REST: what is taken, what is refused and with which words, what is listed."""

from __future__ import annotations

import base64
import contextlib
import gzip
import time

import grpc
import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st

from genesis_performance.emulator import spawn_emulator
from genesis_performance.emulator.rpc_error import RpcError
from genesis_performance.emulator.services import cloud_profiler
from genesis_performance.emulator.services.profiler_messages import message

CREATE = "google.devtools.cloudprofiler.v2.ProfilerService/CreateOfflineProfile"
LIST = "google.devtools.cloudprofiler.v2.ExportService/ListProfiles"
URL = "/v2/projects/shop-1/profiles"
DAY_S = 86_400


def pprof(at_s: float | None = None) -> bytes:
    """A profile of one stack of one frame, as any agent could write it."""
    profile = message("perftools.profiles.Profile")(string_table=["", "cpu", "nanoseconds", "main"])
    profile.sample_type.add(type=1, unit=2)
    profile.function.add(id=1, name=3)
    profile.location.add(id=1).line.add(function_id=1)
    profile.sample.add(location_id=[1], value=[7])
    profile.time_nanos = int((time.time() if at_s is None else at_s) * 1e9)
    return gzip.compress(profile.SerializeToString())


def body(content: bytes | None = None, **changed):
    return {
        "profileType": "CPU",
        "deployment": {"projectId": "shop-1", "target": "checkout", "labels": {"language": "python"}},
        "duration": "12.500s",
        "profileBytes": base64.b64encode(pprof() if content is None else content).decode(),
        "labels": {"program": "server"},
        **changed,
    }


def deployment(**changed):
    return {"deployment": {"projectId": "shop-1", "target": "checkout", **changed}}


def created(http, **changed):
    response = http.post(f"{URL}:createOffline", json=body(**changed))
    assert response.status_code == 200, response.text
    return response.json()


def refusal(http, fields) -> str:
    response = http.post(f"{URL}:createOffline", json=fields)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["status"] == "INVALID_ARGUMENT"
    return response.json()["error"]["message"]


def test_a_profile_is_answered_with_its_name_and_time_and_without_what_is_only_input(http):
    answer = created(http, content=pprof(1_790_000_000))
    assert answer.pop("name").startswith("projects/shop-1/profiles/")
    assert answer == {
        "profileType": "CPU",
        "deployment": {"projectId": "shop-1", "target": "checkout", "labels": {"language": "python"}},
        "duration": "12.500s",
        "startTime": "2026-09-21T14:13:20Z",
    }


def test_a_stored_profile_is_listed_with_its_bytes_and_labels(http):
    content = pprof()
    name = created(http, content=content)["name"]
    (listed,) = http.get(URL).json()["profiles"]
    assert (listed["name"], listed["labels"]) == (name, {"program": "server"})
    assert base64.b64decode(listed["profileBytes"]) == content


def test_a_project_sees_its_own_profiles_only(http):
    created(http)
    assert http.get("/v2/projects/other-1/profiles").json() == {}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"profileType": "SPEED"}, "Invalid JSON payload"),
        ({"profileType": None}, "profile.profile_type"),
        ({"colour": "red"}, "colour"),
        ({"duration": "12.5"}, "Invalid JSON payload"),
        ({"duration": "0s"}, "profile.duration"),
        ({"duration": "-1s"}, "profile.duration"),
        ({"deployment": None}, "profile.deployment.project_id"),
        (deployment(projectId="Shop-1"), "profile.deployment.project_id"),
        (deployment(projectId="other-1"), "not the project of the parent"),
        (deployment(target=""), "profile.deployment.target"),
        (deployment(target="Checkout"), "profile.deployment.target"),
        (deployment(target="1st"), "profile.deployment.target"),
        (deployment(target="checkout-"), "profile.deployment.target"),
        (deployment(target="x" * 256), "profile.deployment.target"),
        (deployment(labels={"Zone": "a"}), "profile.deployment.labels"),
        (deployment(labels={"zone": "x" * 513}), "at most 512 bytes"),
        (deployment(labels={"a": "x" * 512, "b": "x" * 512}), "1024 bytes in all"),
        ({"labels": {"a_b": "c"}}, "profile.labels"),
        ({"labels": {"a": 1}}, "Invalid JSON payload"),
        ({"labels": [1]}, "Invalid JSON payload"),
        ({"profileBytes": 7}, "Invalid JSON payload"),
        ({"profileBytes": "x"}, "profileBytes"),
    ],
)
def test_what_can_not_be_is_refused_by_name_and_not_kept(http, changed, words):
    assert words in refusal(http, body(**changed))
    assert http.get(URL).json() == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda profile: profile.ClearField("sample_type"), "no sample type"),
        (lambda profile: profile.ClearField("string_table"), "string table"),
        (lambda profile: profile.sample_type[0].MergeFrom(type(profile.sample_type[0])(unit=9)), "outside"),
        (lambda profile: profile.sample[0].value.append(1), "one value for each"),
        (lambda profile: profile.sample[0].location_id.append(9), "location that is not there"),
    ],
)
def test_a_pprof_that_contradicts_itself_is_refused(http, change, words):
    profile = message("perftools.profiles.Profile").FromString(gzip.decompress(pprof()))
    change(profile)
    assert words in refusal(http, body(gzip.compress(profile.SerializeToString())))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cut off"),
        (b"\x0a\x01p", "gzip"),
        (gzip.compress(b"\xff\xff\xff"), "no serialized pprof"),
        (gzip.compress(b""), "string table"),
        (pprof()[:-9], "cut off"),
    ],
    ids=["nothing", "not compressed", "no protobuf", "empty", "cut off"],
)
def test_bytes_that_are_no_compressed_pprof_are_refused(http, content, words):
    assert words in refusal(http, body(content))


@budget(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_damaged_bytes_are_taken_or_refused_and_never_an_internal_error(data):
    plain = bytearray(gzip.decompress(pprof(1.0)))
    for place in data.draw(st.lists(st.integers(0, len(plain) - 1), min_size=1, max_size=4)):
        plain[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RpcError):  # any other exception would be an internal error
        cloud_profiler.unpacked(gzip.compress(bytes(plain), mtime=0))


def test_a_bomb_is_refused_before_it_is_unpacked(http, monkeypatch):
    monkeypatch.setattr(cloud_profiler, "MAX_UNPACKED_BYTES", 1 << 20)
    assert "larger than" in refusal(http, body(gzip.compress(bytes(8 << 20))))


def test_profiles_of_a_deployment_come_in_ascending_time(http):
    now_s = int(time.time())
    created(http, content=pprof(now_s))
    assert "ascending time order" in refusal(http, body(pprof(now_s - 1)))
    created(http, content=pprof(now_s))
    created(http, content=pprof(now_s + 1))


def test_other_types_and_other_deployments_have_a_time_of_their_own(http):
    now_s = int(time.time())
    created(http, content=pprof(now_s))
    created(http, content=pprof(now_s - 1), profileType="WALL")
    created(http, content=pprof(now_s - 1), **deployment(target="search"))
    created(http, content=pprof(now_s - 1), **deployment(labels={"version": "2"}))


def test_a_list_comes_in_pages_whose_tokens_belong_to_the_call(http):
    names = [created(http)["name"] for _ in range(5)]
    seen, token = [], ""
    for size in (2, 2, 1):
        page = http.get(URL, params={"pageSize": 2, "pageToken": token}).json()
        assert len(page["profiles"]) == size
        seen += [profile["name"] for profile in page["profiles"]]
        token = page.get("nextPageToken", "")
    assert seen == names
    assert token == ""
    token = http.get(URL, params={"pageSize": 2}).json()["nextPageToken"]
    assert http.get("/v2/projects/other-1/profiles", params={"pageToken": token}).status_code == 400


@pytest.mark.parametrize("query", ["pageSize=x", "pageSize=-1", "pageSize=1.5", "pageToken=x"])
def test_a_page_that_can_not_be_is_refused(http, query):
    assert http.get(f"{URL}?{query}").status_code == 400


def test_a_page_has_at_most_a_thousand_profiles(http, monkeypatch):
    assert cloud_profiler.MAX_PAGE == 1000
    monkeypatch.setattr(cloud_profiler, "MAX_PAGE", 2)
    for _ in range(3):
        created(http)
    assert len(http.get(URL, params={"pageSize": 999}).json()["profiles"]) == 2


def test_a_profile_is_gone_after_thirty_days(http, genesis_emulator):
    created(http)
    genesis_emulator.advance(29 * DAY_S)
    assert len(http.get(URL).json()["profiles"]) == 1
    genesis_emulator.advance(2 * DAY_S)
    assert http.get(URL).json() == {}


@pytest.mark.parametrize(("limit", "most"), [("MAX_HELD", 2), ("MAX_HELD_BYTES", 2 * len(pprof()) + 9)])
def test_the_oldest_profiles_go_when_there_are_too_many(http, monkeypatch, limit, most):
    monkeypatch.setattr(cloud_profiler, limit, most)
    names = [created(http)["name"] for _ in range(4)]
    assert [profile["name"] for profile in http.get(URL).json()["profiles"]] == names[2:]


def test_calls_are_counted_and_planted_faults_strike(http, genesis_emulator):
    genesis_emulator.fail("CreateOfflineProfile", "RESOURCE_EXHAUSTED")
    assert http.post(f"{URL}:createOffline", json=body()).status_code == 429
    created(http)
    http.get(URL)
    assert http.get("/control/calls").json() == {CREATE: 2, LIST: 1}


def test_a_profile_larger_than_a_control_request_is_taken(http, genesis_emulator):
    noise = message("perftools.profiles.Profile").FromString(gzip.decompress(pprof()))
    noise.string_table.extend(f"{number * 2654435761 % 2**32:08x}" for number in range(400_000))
    content = gzip.compress(noise.SerializeToString())
    assert len(content) > 1 << 20
    created(http, content=content)
    assert genesis_emulator.cloud.internal_errors == 0


def test_over_grpc_the_method_says_that_it_is_not_emulated(genesis_emulator):
    with grpc.insecure_channel(genesis_emulator.grpc) as channel:
        for path in (CREATE, LIST):
            with pytest.raises(grpc.RpcError, match="is not emulated"):
                channel.unary_unary(f"/{path}")(b"")


def test_profiles_are_there_after_a_restart(tmp_path):
    listed = []
    for first in (True, False):
        with (
            spawn_emulator(state=tmp_path / "state.json") as emulator,
            httpx.Client(base_url=f"http://{emulator.http}") as http,
        ):
            if first:
                created(http)
            listed.append(http.get(URL).json())
    assert listed[0] == listed[1] != {}
