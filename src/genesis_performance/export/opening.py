"""Which sink a setting names."""

from __future__ import annotations

from ..config import settings
from ..errors import ConfigurationError
from .clock import Clock
from .sink import Sink

CLOUD_MONITORING, MEMORY, NONE, AUTO, OTLP = "cloud_monitoring", "memory", "none", "auto", "otlp"


def check_sink_name(name: str) -> None:
    """Refuse a sink that can not be opened, before anything is recorded for it.

    Raises:
        ConfigurationError: it is unknown.
    """
    if name not in {AUTO, CLOUD_MONITORING, OTLP, MEMORY, NONE}:
        raise ConfigurationError(
            f"monitoring.sink is {name!r}; known are auto, cloud_monitoring, otlp, memory and none"
        )


def open_sink(
    name: str,
    *,
    project: str | None,
    prefix: str,
    service: str,
    environment: str,
    location: str | None,
    clock: Clock,
) -> Sink:
    """The sink called ``name``; ``auto`` is Cloud Monitoring with a project, and memory without.

    Raises:
        ConfigurationError: there is no such sink, or it needs a project and there is none.
    """
    check_sink_name(name)
    if name == AUTO:
        name = CLOUD_MONITORING if project else MEMORY
    if name == CLOUD_MONITORING:
        if not project:
            raise ConfigurationError(
                "monitoring.sink is 'cloud_monitoring' and there is no project; "
                "set GOOGLE_CLOUD_PROJECT or give gcp_project_id"
            )
        from .sinks.cloud_monitoring import CloudMonitoringSink

        return CloudMonitoringSink(
            project=project,
            prefix=prefix,
            service=service,
            environment=environment,
            location=location,
            unix_ns=clock.unix_ns,
            monotonic=clock.monotonic,
        )
    if name == OTLP and not settings().otlp.disabled:
        from .otlp_target import find_target
        from .sinks.otlp import OtlpSink

        target = find_target(project=project, service=service, environment=environment, location=location)
        return OtlpSink(target, prefix=prefix, monotonic=clock.monotonic)
    if name == MEMORY:
        from .sinks.memory import MemorySink

        return MemorySink()
    from .sinks.none import NoSink

    return NoSink()
