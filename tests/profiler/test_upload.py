"""Upload to Cloud Profiler: what is sent, in which order, what is refused, what is never sent."""

from __future__ import annotations

import base64
import gzip
import logging
import os
import re
import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance import config
from genesis_performance.config.profiler import ProfilerConfig
from genesis_performance.emulator.services.profiler_messages import message
from genesis_performance.errors import (
    CloudInvalidError,
    CloudQuotaError,
    ConfigurationError,
    NoDataError,
    StateError,
    UnknownNameError,
)
from genesis_performance.gcp import client, rest
from genesis_performance.model.profile import ProfileReport
from genesis_performance.model.stacks import ALLOCATED, CPU, SAMPLES, WALL, Frame, StackProfile, StackRecord
from genesis_performance.profiler import PerformanceProfiler
from genesis_performance.profiler import upload as uploading
from genesis_performance.profiler.upload import upload

CREATE = "google.devtools.cloudprofiler.v2.ProfilerService/CreateOfflineProfile"
SERVICE = ProfilerConfig(cloud_profiler=True, service="checkout", service_version="v7", zone="europe-west3-a")
SECOND_NS = 10**9
BEGIN_NS = (int(time.time()) - 60) * SECOND_NS  # the emulator forgets what is older than 30 days
FRAMES = (
    Frame("main", "app.py", 3, 1),
    Frame("pay", "shop/pay.py", 40, 33),
    Frame("wait", "shop/io.py", 9, 8),
)
STACKS = StackProfile(
    frames=FRAMES,
    records=(
        StackRecord((0,), (5, 50_000_000, 50_000_000), "MainThread", "order"),
        StackRecord((0, 1), (20, 200_000_000, 210_000_000), "MainThread", "order"),
        StackRecord((0, 2), (0, 0, 900_000_000), "Task-1", "order"),
    ),
    start_unix_ns=BEGIN_NS,
    duration_s=1.5,
    period_ns=10_000_000,
)


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch):
    """As in a process that has uploaded nothing yet."""
    monkeypatch.setattr(uploading, "_sent", uploading._Sent())


@pytest.fixture
def cloud(genesis_emulator, monkeypatch):
    """The emulator, to which our calls go, for the project shop-1."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "shop-1")
    config.reset()
    yield genesis_emulator
    assert genesis_emulator.cloud.internal_errors == 0


def report(**changed) -> ProfileReport:
    fields = {
        "profile_id": "profile-1",
        "start_unix_ns": BEGIN_NS,
        "duration_s": 1.5,
        "operations": (),
        "resources": (),
        "repeated_calls": (),
        "findings": (),
        "cpu_count": 1.0,
        "memory_limit_bytes": 0,
        "stacks": STACKS,
        **changed,
    }
    return ProfileReport(**fields)


def listed() -> list[dict]:
    return rest.get("cloud_profiler", "v2/projects/shop-1/profiles").get("profiles", [])


def decoded(profile: dict):
    """The pprof message, read by the emulator's own description of the format."""
    content = gzip.decompress(base64.b64decode(profile["profileBytes"]))
    return message("perftools.profiles.Profile").FromString(content)


def weights(content) -> Counter:
    """(functions from root to leaf) to the sum of each column."""
    text = content.string_table
    functions = {function.id: text[function.name] for function in content.function}
    names = {location.id: functions[location.line[0].function_id] for location in content.location}
    found: Counter = Counter()
    for sample in content.sample:
        stack = tuple(names[place] for place in reversed(sample.location_id))
        for kind, value in zip(content.sample_type, sample.value, strict=True):
            found[stack, text[kind.type], text[kind.unit]] += value
    return found


def test_a_session_arrives_as_a_cpu_and_a_wall_profile_with_the_same_stacks(cloud):
    sent = upload(report(), SERVICE)
    cpu, wall = listed()
    assert [one.profile_type for one in sent] == ["CPU", "WALL"] == [cpu["profileType"], wall["profileType"]]
    assert [one.name for one in sent] == [cpu["name"], wall["name"]]
    assert sent[0].size_bytes == len(base64.b64decode(cpu["profileBytes"]))
    assert weights(decoded(cpu)) == {
        (("main",), "samples", "count"): 5,
        (("main",), "cpu", "nanoseconds"): 50_000_000,
        (("main", "pay"), "samples", "count"): 20,
        (("main", "pay"), "cpu", "nanoseconds"): 200_000_000,
    }
    assert weights(decoded(wall)) == {
        (("main",), "wall", "nanoseconds"): 50_000_000,
        (("main", "pay"), "wall", "nanoseconds"): 210_000_000,
        (("main", "wait"), "wall", "nanoseconds"): 900_000_000,
    }


def test_a_real_session_arrives_with_the_stacks_of_its_report(cloud):
    profiler = PerformanceProfiler(
        ProfilerConfig(stack_rate_hz=500, overhead_budget_percent=50, enable_persistent_storage=False)
    )
    profile_id = profiler.start_profiling()
    ends = time.thread_time() + 0.3
    with profiler.profile_context("spin"):
        while time.thread_time() < ends:
            sum(range(2000))
    finished = profiler.stop_profiling(profile_id)
    upload(finished, SERVICE)
    expected: Counter = Counter()
    for record in finished.stacks.records:
        stack = tuple(finished.stacks.frames[place].function for place in record.stack)
        expected[stack] += record.values[finished.stacks.column("cpu")]
    content = decoded(listed()[0])
    found = {stack: value for (stack, kind, _), value in weights(content).items() if kind == "cpu"}
    assert found == {stack: value for stack, value in expected.items() if value}
    assert sum(found.values()) > 0.15 * SECOND_NS
    assert "spin" in content.string_table


def test_a_profile_names_its_deployment_time_and_duration(cloud):
    upload(report(), SERVICE)
    for profile in listed():
        assert profile["deployment"] == {
            "projectId": "shop-1",
            "target": "checkout",
            "labels": {"language": "python", "version": "v7", "zone": "europe-west3-a"},
        }
        assert profile["duration"] == "1.500s"
        assert decoded(profile).time_nanos == BEGIN_NS
        content = decoded(profile)
        assert content.duration_nanos == 1_500_000_000
        kind = profile["profileType"].lower()
        assert content.string_table[content.period_type.type] == kind
        assert content.string_table[content.default_sample_type] == kind


def test_a_region_is_no_zone(cloud):
    upload(report(), settings_with(zone="europe-west3"))
    labels = listed()[0]["deployment"]["labels"]
    assert (labels.get("region"), labels.get("zone")) == ("europe-west3", None)


def test_traced_allocations_arrive_as_a_heap_profile(cloud):
    allocations = StackProfile(
        value_types=(SAMPLES, ALLOCATED), frames=FRAMES, records=(StackRecord((0, 1), (3, 4096)),)
    )
    upload(report(allocations=allocations), SERVICE)
    heap = listed()[-1]
    assert heap["profileType"] == "HEAP"
    assert weights(decoded(heap)) == {(("main", "pay"), "inuse_space", "bytes"): 4096}


def test_a_type_without_weight_is_not_sent(cloud):
    waiting = replace(STACKS, records=STACKS.records[2:])
    assert [one.profile_type for one in upload(report(stacks=waiting), SERVICE)] == ["WALL"]
    wall_only = replace(
        STACKS, value_types=(SAMPLES, WALL), records=(StackRecord((0,), (1, 10)),), start_unix_ns=0
    )
    later = report(stacks=wall_only, start_unix_ns=BEGIN_NS + 1)
    assert [one.profile_type for one in upload(later, SERVICE)] == ["WALL"]


@pytest.mark.parametrize("stacks", [None, replace(STACKS, records=())])
def test_a_session_without_stacks_says_so_and_sends_nothing(cloud, stacks):
    with pytest.raises(NoDataError, match=r"'profile-1' has no stacks.*profiler\.stack_rate_hz"):
        upload(report(stacks=stacks), SERVICE)
    assert cloud.calls() == {}


def test_operations_threads_and_labels_are_redacted_before_they_leave(cloud):
    personal = replace(
        STACKS,
        records=(
            StackRecord((0,), (1, 10, 10), "worker of ann@example.com", "GET /orders/918273"),
            StackRecord((0,), (2, 20, 20), "worker of bob@example.com", "GET /orders/5551212"),
        ),
    )
    upload(report(stacks=personal, labels={"User": "eve@example.com"}), SERVICE)
    for profile in listed():
        content = decoded(profile)
        text = "\n".join(content.string_table) + str(profile["labels"])
        assert re.search(r"ann|bob|eve|example|918273|5551212", text) is None
        (sample,) = content.sample  # those that differed in what was redacted are one now
        assert sample.value[-1] == 30
        assert "GET /orders/{id}" in text
        assert profile["labels"] == {"user": "{email}"}


@given(st.dictionaries(st.text(max_size=80), st.text(max_size=700), max_size=12))
def test_labels_fit_the_documented_rules_whatever_they_were(given_labels):
    own = (("language", "python"), ("version", "v" * 200))
    labels = uploading._labels(given_labels, own)
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name) for name in labels)
    assert all(len(value.encode()) <= 512 for value in labels.values())
    assert sum(len(name) + len(value.encode()) for name, value in [*labels.items(), *own]) <= 1024
    assert not labels.keys() & {"language", "version"}


_record = st.builds(
    lambda stack, values, thread, operation: StackRecord(tuple(stack), tuple(values), thread, operation),
    st.lists(st.integers(0, 2), min_size=1, max_size=4),
    st.lists(st.integers(0, 10**12), min_size=3, max_size=3),
    st.sampled_from(["", "MainThread", "Task-1", "Task-777777"]),
    st.sampled_from(["", "order", "/orders/123456", "/orders/654321"]),
)


@given(st.lists(_record, max_size=20))
def test_redaction_and_selection_keep_every_sum(records):
    profile = replace(STACKS, records=tuple(records))
    chosen = uploading._chosen(profile, ("samples", "cpu"))
    kept = [record for record in records if record.values[1]]
    if not kept:
        assert chosen is None
        return
    assert chosen.value_types == (SAMPLES, CPU)
    for column in (0, 1):
        assert sum(r.values[column] for r in chosen.records) == sum(r.values[column] for r in kept)
    identities = [(r.stack, r.thread, r.operation) for r in chosen.records]
    assert len(set(identities)) == len(identities)


def test_without_a_project_nothing_is_sent_and_the_log_says_so_once(monkeypatch, caplog):
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    monkeypatch.delenv("GCP_PROJECT_ID", raising=False)
    monkeypatch.setenv("GENESIS_PERF_EMULATOR", "127.0.0.1:1")  # no credentials are asked for a project
    config.reset()
    with caplog.at_level(logging.WARNING):
        assert upload(report(), SERVICE) == upload(report(), SERVICE) == []
    (said,) = [one.message for one in caplog.records if "no project to upload" in one.message]
    assert said.endswith("profiles stay local; set GOOGLE_CLOUD_PROJECT")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"service": None}, "profiler.service is not set"),
        ({"service": ""}, "profiler.service is not set"),
        ({"service": "Checkout"}, "profiler.service is 'Checkout'"),
        ({"service": "7up"}, "profiler.service is '7up'"),
        ({"service": "shop-"}, "profiler.service is 'shop-'"),
        ({"service": "shop\n"}, "profiler.service is"),
        ({"service": "x" * 256}, "profiler.service is"),
        ({"service_version": "x" * 257}, "profiler.service_version is"),
        ({"zone": "x" * 257}, "profiler.zone is"),
    ],
)
def test_a_deployment_that_can_not_be_named_is_refused_by_its_setting(cloud, changed, words):
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        upload(report(), settings_with(**changed))
    assert cloud.calls() == {}


@pytest.mark.parametrize("project", ["123456789012", "p", "Shop-1", "a/b"])
def test_a_project_that_is_no_id_is_refused(cloud, project):
    with pytest.raises(ConfigurationError, match=re.escape(repr(project))):
        upload(report(), SERVICE, project_id=project)


def test_an_older_session_of_the_same_deployment_is_refused_and_not_sent(cloud):
    upload(report(), SERVICE)
    older = report(profile_id="profile-0", start_unix_ns=BEGIN_NS - 2 * SECOND_NS)
    with pytest.raises(StateError, match=r"'profile-0' began 2\.000 s before .*'checkout'"):
        upload(older, SERVICE)
    assert cloud.calls()[CREATE] == 2
    assert upload(older, settings_with(service="search"))  # a deployment of its own


def test_an_upload_that_failed_half_way_can_be_repeated_without_sending_twice(cloud):
    cloud.fail(CREATE, "OK", delay_ms=1)  # the first passes, the second is refused
    cloud.fail(CREATE, "RESOURCE_EXHAUSTED")
    with pytest.raises(CloudQuotaError):
        upload(report(), SERVICE)
    assert [one.profile_type for one in upload(report(), SERVICE)] == ["WALL"]
    assert [profile["profileType"] for profile in listed()] == ["CPU", "WALL"]
    assert upload(report(), SERVICE) == []


def test_a_refused_upload_is_sent_once_and_its_error_names_the_method(cloud):
    cloud.fail(CREATE, "UNAVAILABLE", times=None)
    with pytest.raises(ConnectionError, match="profiles:createOffline: UNAVAILABLE"):
        upload(report(), SERVICE)
    assert cloud.calls()[CREATE] == 1


def test_what_another_process_sent_later_is_refused_by_the_service(cloud, monkeypatch):
    upload(report(start_unix_ns=BEGIN_NS + SECOND_NS), SERVICE)
    monkeypatch.setattr(uploading, "_sent", uploading._Sent())
    with pytest.raises(CloudInvalidError, match="ascending"):
        upload(report(), SERVICE)


def test_a_child_forked_during_an_upload_can_upload_itself(cloud):
    with uploading._sent.lock:
        child = os.fork()
        if not child:
            os._exit(0 if uploading._sent.lock.acquire(timeout=60) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_strict_residency_refuses_the_global_endpoint():
    config.reset(config.load(arguments={"gcp.residency": "strict", "gcp.project_id": "shop-1"}))
    with pytest.raises(ConfigurationError, match="Cloud Profiler would be reached over a global endpoint"):
        upload(report(), SERVICE)


def settings_with(**changed) -> ProfilerConfig:
    fields = {
        name: getattr(SERVICE, name) for name in ("cloud_profiler", "service", "service_version", "zone")
    }
    return ProfilerConfig(**(fields | changed))


def test_a_service_without_a_client_for_python_says_how_it_is_called(cloud):
    with pytest.raises(UnknownNameError, match=r"Cloud Profiler has no client for Python.*gcp\.rest"):
        client("cloud_profiler")
