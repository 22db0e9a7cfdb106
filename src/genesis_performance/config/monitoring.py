"""Settings of the monitor."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from .section import NotNegative, PositiveInt, Section


class MonitoringSection(Section, frozen=True, kw_only=True):
    """What is recorded, where it is sent and how alerts are made.

    Args:
        gcp_project_id: project that metrics and policies go to; see ``gcp.project_id``.
        metric_prefix: metrics are ``custom.googleapis.com/<prefix>/<name>``.
        enable_alerting: evaluate the policies locally and keep incidents.
        apply_alerts: where policies are made: ``api`` in Cloud Monitoring, ``plan`` returns Terraform,
            ``local`` only evaluates here. None means ``api`` with a project and ``local`` without.
        sink: where metrics go. ``auto`` is Cloud Monitoring with a project, memory without.
        write_interval_s: seconds between two points of a series; Cloud Monitoring takes at most one
            in 5 s (https://cloud.google.com/monitoring/quotas).
        max_series: series of one process; later ones are folded into ``__other__``.
        buffer: where recorded values are kept until they are sent: ``mapped`` in a file that survives the
            process, ``heap`` in memory.
        buffer_dir: folder of these files, shared by all workers of a service. None is a folder of the user's
            own below the temporary one.
        buffer_sync_s: seconds after which a recorded value survives a crash of the machine too.
        max_monthly_cost: US dollars a month that our own metrics may cost; 0 means no limit.
    """

    NAME: ClassVar[str] = "monitoring"

    gcp_project_id: str | None = None
    metric_prefix: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_.\-/]{1,100}$")] = "genesis.performance"
    enable_alerting: bool = True
    apply_alerts: Literal["api", "plan", "local"] | None = None
    sink: Literal["auto", "cloud_monitoring", "otlp", "memory", "none"] = "auto"
    write_interval_s: Annotated[float, Meta(ge=5)] = 60.0
    max_series: PositiveInt = 5000
    buffer: Literal["mapped", "heap"] = "mapped"
    buffer_dir: str | None = None
    buffer_sync_s: Annotated[float, Meta(ge=0.05, le=3600)] = 5.0
    max_monthly_cost: NotNegative = 0.0
