from __future__ import annotations

import contextlib
import importlib
import json
from importlib import resources

import grpc
import pytest

from genesis_performance.emulator import method_table
from genesis_performance.errors import UnknownNameError


class _RecordingChannel(grpc.Channel):
    """Notes which methods the official transports really ask for, and with which types."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[object, object, bool]] = {}

    def _record(self, path, serializer, deserializer, streaming):
        self.seen[path.removeprefix("/")] = (serializer, deserializer, streaming)

        def stub(*_arguments, **_named): ...

        return stub

    def unary_unary(self, method, request_serializer=None, response_deserializer=None, *_rest):
        return self._record(method, request_serializer, response_deserializer, False)

    def unary_stream(self, method, request_serializer=None, response_deserializer=None, *_rest):
        return self._record(method, request_serializer, response_deserializer, True)

    stream_unary = stream_stream = unary_stream

    def subscribe(self, callback, try_to_connect=False): ...

    def unsubscribe(self, callback): ...

    def close(self): ...

    def __enter__(self): ...

    def __exit__(self, *error): ...


@pytest.fixture(scope="module")
def recorded():
    channel = _RecordingChannel()
    for package in method_table.CLIENT_PACKAGES:
        services = json.loads(resources.files(package).joinpath("gapic_metadata.json").read_text())[
            "services"
        ]
        for service in services:
            cls = getattr(importlib.import_module(package), f"{service}Client").get_transport_class("grpc")
            transport = cls(channel=channel)
            for name in dir(cls):
                if isinstance(getattr(cls, name), property) and name not in {"grpc_channel", "host", "kind"}:
                    with contextlib.suppress(AttributeError, TypeError):  # a stub asks, then has no channel
                        getattr(transport, name)(iter(()))
    return channel.seen


def test_every_method_that_an_official_client_can_call_is_registered(recorded):
    assert set(recorded) == set(method_table.methods()) - {*method_table.PROFILER, *method_table.OTLP}


def test_request_types_are_those_that_the_clients_serialize(recorded):
    for path, (serializer, _, _) in recorded.items():
        owner = getattr(serializer, "__self__", None)  # raw protobuf classes do not tell
        if owner is not None:
            assert method_table.methods()[path].request is owner.pb(), path


def test_response_types_are_those_that_the_clients_parse(recorded):
    for path, (_, deserializer, _) in recorded.items():
        owner = getattr(deserializer, "__self__", None)
        assert owner is not None, path
        expected = owner.pb() if hasattr(owner, "pb") else owner
        assert method_table.methods()[path].response is expected, path


def test_streams_are_known_as_streams(recorded):
    streams = {path for path, (_, _, is_streaming) in recorded.items() if is_streaming}
    assert streams == method_table.STREAMING


def test_the_table_has_the_services_we_name():
    services = {method.service for method in method_table.methods().values()}
    assert services >= {
        "google.cloud.secretmanager.v1.SecretManagerService",
        "google.monitoring.v3.MetricService",
        "google.monitoring.v3.AlertPolicyService",
        "google.monitoring.v3.NotificationChannelService",
        "google.monitoring.v3.UptimeCheckService",
        "google.monitoring.v3.ServiceMonitoringService",
        "google.monitoring.v3.GroupService",
        "google.monitoring.v3.QueryService",
        "google.monitoring.v3.SnoozeService",
        "google.monitoring.dashboard.v1.DashboardsService",
        "google.cloud.billing.budgets.v1.BudgetService",
        "google.cloud.billing.v1.CloudBilling",
        "google.cloud.billing.v1.CloudCatalog",
        "google.cloud.recommender.v1.Recommender",
        "google.pubsub.v1.Publisher",
        "google.pubsub.v1.Subscriber",
        "google.pubsub.v1.SchemaService",
        "google.devtools.cloudprofiler.v2.ProfilerService",
        "google.devtools.cloudprofiler.v2.ExportService",
        "google.iam.v1.IAMPolicy",
        "google.cloud.location.Locations",
    }


def test_an_rpc_name_that_is_unique_stands_for_its_path():
    assert method_table.resolve("CreateTimeSeries") == "google.monitoring.v3.MetricService/CreateTimeSeries"


def test_an_ambiguous_rpc_name_is_refused_with_the_candidates():
    with pytest.raises(UnknownNameError, match=r"SecretManagerService/GetIamPolicy, google\.iam\.v1"):
        method_table.resolve("GetIamPolicy")


def test_a_misspelt_method_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="MetricService/CreateTimeSeries"):
        method_table.resolve("google.monitoring.v3.MetricService/CreateTimeserie")
