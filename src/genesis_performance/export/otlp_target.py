"""Where OTLP metrics go, and what is said of the process that sends them.

Without an endpoint of its own the target is Google's Telemetry API, or the emulator where one is set. A
collector gets what it is told to get, and no credentials of Google's.

Source: https://docs.cloud.google.com/stackdriver/docs/reference/telemetry/v1.metrics (labels of
``prometheus_target``), https://opentelemetry.io/docs/specs/semconv/resource/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..config import settings
from ..config.otlp import OtlpSection, pairs
from ..errors import ConfigurationError
from ..gcp.clients import user_agent
from ..gcp.project import resolve_project
from .resource import generic_task

PATH = "/v1/metrics"
HOST = "telemetry"
PROTOCOL = "http/protobuf"
UNNAMED = "default"  # how a monitor without a name calls its service

GOOGLE_POINTS, COLLECTOR_POINTS = 200, 1000
"""Points of one request. Google states no limit for OTLP; 200 is that of CreateTimeSeries. 1,000 points stay
below 4 MiB however full their histograms are, which is what many receivers take."""

SPACING_S = 5.0
"""Between two points of a series that Google stores (https://cloud.google.com/monitoring/quotas)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One endpoint, and how it wants to be spoken to.

    Args:
        with_credentials: Google's application default credentials go with each request.
        spacing_s: least time between two points of a series.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)  # they may hold a key
    with_credentials: bool
    spacing_s: float
    max_points: int
    timeout_s: float
    compress: bool
    resource: Mapping[str, str]


def find_target(*, project: str | None, service: str, environment: str, location: str | None) -> Target:
    """The target that the settings name.

    Raises:
        ConfigurationError: a setting of ``otlp`` can not be so, or Google is meant and there is no project.
    """
    section, gcp = settings().otlp, settings().gcp
    if section.protocol != PROTOCOL:
        raise ConfigurationError(
            f"otlp.protocol is {section.protocol!r}; this sink speaks {PROTOCOL} only: set "
            f"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL={PROTOCOL} and the endpoint's HTTP port, usually 4318"
        )
    url = target_url()
    own = _chosen_url(section)
    with_credentials = urlsplit(url).hostname == urlsplit(_google_url()).hostname
    is_google = with_credentials or own is None  # the emulator stands for it
    if is_google:
        if with_credentials and gcp.residency == "strict":
            raise ConfigurationError(
                "gcp.residency is 'strict' and Google's Telemetry API has a global endpoint only; set "
                "otlp.endpoint to a collector, or monitoring.sink to something else"
            )
        project = project or resolve_project()
        if not project:
            raise ConfigurationError(
                "monitoring.sink is 'otlp' without otlp.endpoint, which means Google's Telemetry API, and "
                "there is no project; set GOOGLE_CLOUD_PROJECT, or OTEL_EXPORTER_OTLP_ENDPOINT"
            )
    return Target(
        url=url,
        headers={"User-Agent": user_agent(), **_pairs("headers", section.headers)},
        with_credentials=with_credentials,
        spacing_s=SPACING_S if is_google else 0.0,
        max_points=GOOGLE_POINTS if is_google else COLLECTOR_POINTS,
        timeout_s=section.timeout_s,
        compress=section.compression == "gzip",
        resource=resource(project=project, service=service, environment=environment, location=location),
    )


def target_url() -> str:
    """The URL of the endpoint that the settings name.

    Raises:
        ConfigurationError: it is none, or the emulator's is not known.
    """
    gcp = settings().gcp
    own = _chosen_url(settings().otlp)
    if own is not None:
        return own
    if gcp.emulator_http:
        return f"http://{gcp.emulator_http}{PATH}"
    if gcp.emulator:
        raise ConfigurationError(
            "gcp.emulator is set, gcp.emulator_http is not; set GENESIS_PERF_EMULATOR_HTTP to its HTTP port"
        )
    return _google_url()


def _google_url() -> str:
    return f"https://{HOST}.{settings().gcp.universe_domain}{PATH}"


def resource(
    *, project: str | None, service: str, environment: str, location: str | None
) -> Mapping[str, str]:
    """Attributes of this process; those of ``otlp.resource_attributes`` win over our own.

    Google takes ``location`` and ``instance`` of its series from them and refuses points without either, so
    both are always there: ``service.instance.id`` is one that no other process has.
    """
    section, profiler = settings().otlp, settings().profiler
    task = generic_task(project=project or "", location=location, namespace=environment, job=service)
    region = task["location"]
    own = {
        "service.name": service,
        "service.instance.id": task["task_id"],
        "deployment.environment.name": environment,
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "genesis-performance",
    }
    if project:
        own |= {"gcp.project_id": project, "cloud.provider": "gcp", "cloud.account.id": project}
    if profiler.service_version:
        own["service.version"] = profiler.service_version
    if settings().origins.get("profiler.service") == "$K_SERVICE" and profiler.service:
        own |= {"cloud.platform": "gcp_cloud_run", "faas.name": profiler.service}
    given = _pairs("resource_attributes", section.resource_attributes)
    if not _PLACES & given.keys():
        own |= {"location": region} if region == "global" else {"cloud.region": region}
    if service == UNNAMED:
        given |= {"service.name": section.service_name} if section.service_name else {}
    else:
        given.pop("service.name", None)  # the monitor was told in code
    return own | given


_PLACES = frozenset({"location", "cloud.availability_zone", "cloud.region"})


def _chosen_url(section: OtlpSection) -> str | None:
    url = section.metrics_endpoint
    if url is None and section.endpoint is not None:
        url = section.endpoint.rstrip("/") + PATH
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"the OTLP endpoint is {url!r}; give a URL such as http://localhost:4318")
    return url


def _pairs(name: str, text: str) -> dict[str, str]:
    try:
        return pairs(text)
    except ValueError as error:
        raise ConfigurationError(f"otlp.{name}: {error}") from None
