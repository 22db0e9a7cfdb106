"""The only place that makes Google clients: one table, one factory, one cache.

A client is kept by service, endpoint, process id and event loop. gRPC channels do not survive a fork and
aio channels do not survive their loop, so neither is ever handed over.

Production: application default credentials and TLS. Emulator: plain text and no credentials, and only where
``gcp.emulator`` (``GENESIS_PERF_EMULATOR``) is set.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..config import settings
from ..errors import ConfigurationError, MissingDependencyError, UnknownNameError

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger(__name__)


class Service(NamedTuple):
    """Where a service's client is, and where the service answers."""

    module: str
    client: str
    extra: str  # of genesis-performance, brings the package
    feature: str  # what a user misses without it
    host: str  # first label of its host name
    regional: bool = False  # has LOCATION.rep endpoints; unknown counts as no


_MONITORING = "google.cloud.monitoring_v3"

SERVICES: dict[str, Service] = {
    "secret_manager": Service(
        "google.cloud.secretmanager_v1",
        "SecretManagerServiceClient",
        "secrets",
        "Secret Manager",
        "secretmanager",
        regional=True,
    ),
    "metrics": Service(_MONITORING, "MetricServiceClient", "gcp", "Cloud Monitoring", "monitoring"),
    "alert_policies": Service(_MONITORING, "AlertPolicyServiceClient", "gcp", "alert policies", "monitoring"),
    "notification_channels": Service(
        _MONITORING, "NotificationChannelServiceClient", "gcp", "notification channels", "monitoring"
    ),
    "service_monitoring": Service(
        _MONITORING, "ServiceMonitoringServiceClient", "gcp", "service objectives", "monitoring"
    ),
    "dashboards": Service(
        "google.cloud.monitoring_dashboard_v1", "DashboardsServiceClient", "gcp", "dashboards", "monitoring"
    ),
    "budgets": Service(
        "google.cloud.billing.budgets_v1", "BudgetServiceClient", "cost", "budgets", "billingbudgets"
    ),
    "cloud_billing": Service(
        "google.cloud.billing_v1", "CloudBillingClient", "cost", "billing accounts", "cloudbilling"
    ),
    "cloud_catalog": Service(
        "google.cloud.billing_v1", "CloudCatalogClient", "cost", "the price catalog", "cloudbilling"
    ),
    "recommender": Service(
        "google.cloud.recommender_v1", "RecommenderClient", "emulator", "Recommender", "recommender"
    ),
    "pubsub_publisher": Service("google.pubsub_v1", "PublisherClient", "pubsub", "Pub/Sub", "pubsub"),
    "pubsub_subscriber": Service("google.pubsub_v1", "SubscriberClient", "pubsub", "Pub/Sub", "pubsub"),
}
"""Name to service; a new service is one entry."""

REST_ONLY: dict[str, Service] = {
    "cloud_profiler": Service("", "", "gcp", "Cloud Profiler", "cloudprofiler"),
}
"""Services without a client for Python: ``rest.get`` and ``rest.post`` reach them, ``client`` does not."""

GLOBAL = "global"
"""As ``location``: the global endpoint, whatever the settings say."""

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 60_000),  # below the idle cuts of NATs and load balancers
    ("grpc.keepalive_timeout_ms", 20_000),
)

BROKEN_GRPCIO = "1.78.1"  # fork support off: hangs under gunicorn (grpc/grpc#41725, yanked)

_Key = tuple[str, str, int, int]
_clients: dict[_Key, Any] = {}
_loops: dict[int, asyncio.AbstractEventLoop] = {}
_inherited: list[Any] = []  # of the parent process: kept, because destroying a channel after fork may hang
_lock = threading.Lock()


def client(
    service: str, *, aio: bool = False, location: str | None = None, endpoint: str | None = None
) -> Any:
    """The client of ``service``, made at its first use in this process (and loop, when ``aio``).

    Args:
        service: a name of ``SERVICES``.
        aio: the asyncio client; call it inside a running loop.
        location: of the regional endpoint; ``GLOBAL`` for the global one; ``gcp.location`` by default.
        endpoint: ``host[:port]`` instead of the one that follows from the settings; always over TLS.

    Raises:
        UnknownNameError: no such service.
        MissingDependencyError: the Google package is not installed.
        ConfigurationError: residency is strict and the service has no regional endpoint.
        CloudPermissionError: there are no credentials.
    """
    row = known_service(service)
    emulator = None if endpoint else settings().gcp.emulator
    target = endpoint or emulator or endpoint_of(service, location)
    if emulator:
        endpoint_of(service, location)  # what production would refuse is refused here too
    loop = None
    if aio:
        import asyncio  # loaded already, where a loop runs

        loop = asyncio.get_running_loop()
    key = (service, target, os.getpid(), id(loop) if loop else 0)
    try:
        found = _clients[key]
    except KeyError:
        pass
    else:
        if loop is None or _loops.get(id(loop)) is loop:
            return found
    with _lock:
        if loop is not None:
            _forget_closed_loops()
            _loops[id(loop)] = loop
        if key not in _clients:
            _clients[key] = _emulated(row, target, aio) if emulator else _official(row, target, aio)
        return _clients[key]


def known_service(service: str) -> Service:
    try:
        return SERVICES.get(service) or REST_ONLY[service]
    except KeyError:
        known = ", ".join((*SERVICES, *REST_ONLY))
        raise UnknownNameError(f"no Google service {service!r}; known are {known}") from None


def endpoint_of(service: str, location: str | None = None) -> str:
    """Host name where ``service`` answers, by the settings.

    Raises:
        ConfigurationError: residency is strict, and this would be a global endpoint.
    """
    row, gcp = known_service(service), settings().gcp
    place = location or gcp.location
    if row.regional and place and place != GLOBAL:
        return f"{row.host}.{place}.rep.{gcp.universe_domain}"
    if gcp.residency == "strict":
        remedy = (
            "set gcp.location, for example europe-west3, and name regional secrets"
            if row.regional
            else f"set gcp.residency to 'any' or do without {row.feature}"
        )
        raise ConfigurationError(
            f"gcp.residency is 'strict' and {row.feature} would be reached over a global endpoint; {remedy}"
        )
    return f"{row.host}.{gcp.universe_domain}"


def close_all() -> None:
    """Close every client of this process; the next use makes new ones."""
    with _lock:
        mine = [(key, found) for key, found in _clients.items() if key[2] == os.getpid()]
        loops = dict(_loops)
        _clients.clear()
        _loops.clear()
    for (_service, _target, _pid, loop_id), found in mine:
        if not loop_id:
            found.transport.close()
        elif (loop := loops.get(loop_id)) is not None and loop.is_running():
            import asyncio

            asyncio.run_coroutine_threadsafe(found.transport.close(), loop)


def user_agent() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"genesis-performance/{version('genesis-performance')}"
    except PackageNotFoundError:  # run from a source tree
        return "genesis-performance/0"


def _official(row: Service, target: str, aio: bool) -> Any:
    from google.api_core.client_options import ClientOptions

    from .project import credentials

    found, transport = _classes(row, aio)
    gcp = settings().gcp

    def channel(host: str, *, options: list[tuple[str, Any]], **given: Any) -> Any:
        return transport.create_channel(host, options=[*options, *_options()], **given)

    return found(
        credentials=credentials(),
        transport=functools.partial(transport, channel=channel),
        client_options=ClientOptions(
            api_endpoint=target, quota_project_id=gcp.quota_project, universe_domain=gcp.universe_domain
        ),
    )


def _emulated(row: Service, target: str, aio: bool) -> Any:
    import grpc

    found, transport = _classes(row, aio)
    if target.partition(":")[0] not in {"localhost", "127.0.0.1", "::1"}:
        log.warning("gcp.emulator is %s: calls go there in plain text and without credentials", target)
    connect: Callable[..., Any] = grpc.aio.insecure_channel if aio else grpc.insecure_channel
    return found(transport=transport(channel=connect(target, options=_options())))


def _options() -> list[tuple[str, Any]]:
    return [*CHANNEL_OPTIONS, ("grpc.primary_user_agent", user_agent())]


def _classes(row: Service, aio: bool) -> tuple[Any, Any]:
    """The client's class and its gRPC transport's class, imported only now: they cost half a second."""
    if not row.module:
        raise UnknownNameError(f"{row.feature} has no client for Python; call it with gcp.rest")
    try:
        grpc = importlib.import_module("grpc")
        module = importlib.import_module(row.module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{row.feature} needs {error.name or row.module}: pip install 'genesis-performance[{row.extra}]'"
        ) from error
    refuse_broken_grpcio(grpc.__version__)
    if row.host == "secretmanager":
        from .secret_version import keep_payloads_out_of_logs

        keep_payloads_out_of_logs()
    found = getattr(module, row.client.replace("Client", "AsyncClient") if aio else row.client)
    return found, found.get_transport_class("grpc_asyncio" if aio else "grpc")


def refuse_broken_grpcio(version: str) -> None:
    """Say no to the one release of grpcio that hangs after a fork.

    Raises:
        ConfigurationError: it is installed.
    """
    if version == BROKEN_GRPCIO:
        raise ConfigurationError(
            f"grpcio {version} hangs in forked processes (gunicorn, functions-framework) and was withdrawn; "
            f"pip install 'grpcio!={BROKEN_GRPCIO}'"
        )


def _forget_closed_loops() -> None:
    for key in [key for key in _clients if key[3] and _loops[key[3]].is_closed()]:
        del _clients[key]
    for loop_id in [loop_id for loop_id, loop in _loops.items() if loop.is_closed()]:
        del _loops[loop_id]


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's lock may be held by a thread that is not here
    _lock = threading.Lock()
    _inherited.extend(_clients.values())
    _clients.clear()
    _loops.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
