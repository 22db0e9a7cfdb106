"""Send a finished session to Cloud Profiler: one profile for each of its types, in ascending time.

Source: the REST reference of ``projects.profiles:createOffline`` and the comments of
``google/devtools/cloudprofiler/v2/profiler.proto``. Google's own settings for the method
(``cloudprofiler_grpc_service_config.json``) give it 30 s and no retry, and so do we.
"""

from __future__ import annotations

import base64
import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..config.profiler import ProfilerConfig
from ..errors import ConfigurationError, NoDataError, StateError
from ..export.redaction import redact, redact_value
from ..gcp import resolve_project, rest
from ..model.profile import ProfileReport
from ..model.stacks import StackProfile, StackRecord, ValueType

TIMEOUT_S = 30.0
PROJECT = re.compile(r"[a-z][-a-z0-9:.]{4,61}[a-z0-9]")
TARGET = re.compile(r"[a-z]([-a-z0-9_.]{0,253}[a-z0-9])?")
ZONE = re.compile(r".*-[a-z]")  # europe-west3-a; without the letter it is a region
MAX_LABEL_BYTES = 512
MAX_LABELS_BYTES = 1024
IN_USE = ValueType("inuse_space", "bytes")  # what other languages' heap profiles call it

_TYPES = {"CPU": ("samples", "cpu"), "WALL": ("wall",), "HEAP": ("alloc",)}
"""Profile type to the columns it is made of; the last one decides whether a stack belongs to it."""

_Deployment = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A profile that Cloud Profiler has taken."""

    profile_type: str  # "CPU", "WALL" or "HEAP"
    name: str  # projects/PROJECT/profiles/ID
    size_bytes: int  # compressed


class _Sent:
    """What this process has sent: the begin of the last session by deployment and profile type."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.begun_ns: dict[tuple[_Deployment, str], int] = {}
        self.said_local = False


_sent = _Sent()


def upload(report: ProfileReport, config: ProfilerConfig, *, project_id: str | None = None) -> list[Uploaded]:
    """Send the stacks of a session; without a project nothing is sent, which is logged once.

    Names of operations and threads, and the report's labels, are redacted first; names of functions and files
    are sent as they are. Uploads of one process wait for each other. What was sent already is not sent
    again, so that a call which failed half-way can be repeated.

    Raises:
        ConfigurationError: the service, zone, version or project can not name a deployment.
        NoDataError: the session has no stacks.
        StateError: a later session of the same deployment was sent before.
        CloudError: Cloud Profiler refused, or could not be reached.
    """
    project = resolve_project(project_id)
    if project is None:
        _say_local()
        return []
    deployment = _deployment(project, config)
    labels = _labels(report.labels, deployment[2])
    profiles = list(_profiles(report))
    if not profiles:
        raise NoDataError(
            f"profile {report.profile_id!r} has no stacks to upload; set profiler.stack_rate_hz above 0 "
            "and let the session run longer"
        )
    with _sent.lock:
        _check_order(deployment, report)
        return [
            _send(deployment, labels, kind, profile)
            for kind, profile in profiles
            if _sent.begun_ns.get((deployment, kind)) != report.start_unix_ns
        ]


def _send(deployment: _Deployment, labels: Mapping[str, str], kind: str, profile: StackProfile) -> Uploaded:
    from ..render.pprof import pprof

    project, target, own_labels = deployment
    content = pprof(profile, profile.value_types[-1].name)
    body = {
        "profileType": kind,
        "deployment": {"projectId": project, "target": target, "labels": dict(own_labels)},
        "duration": f"{profile.duration_s:.9f}s",
        "profileBytes": base64.b64encode(content).decode(),
        "labels": labels,
    }
    path = f"v2/projects/{project}/profiles:createOffline"
    answer: dict[str, Any] = rest.post("cloud_profiler", path, body, timeout_s=TIMEOUT_S)
    _sent.begun_ns[deployment, kind] = profile.start_unix_ns
    return Uploaded(profile_type=kind, name=str(answer.get("name", "")), size_bytes=len(content))


def _check_order(deployment: _Deployment, report: ProfileReport) -> None:
    last_ns = max((_sent.begun_ns.get((deployment, kind), 0) for kind in _TYPES), default=0)
    if report.start_unix_ns < last_ns:
        late_s = (last_ns - report.start_unix_ns) / 1e9
        raise StateError(
            f"profile {report.profile_id!r} began {late_s:.3f} s before the last one that was uploaded for "
            f"{deployment[1]!r}; Cloud Profiler takes the profiles of a deployment in ascending time: "
            "upload sessions in the order in which they began"
        )


def _profiles(report: ProfileReport) -> Iterator[tuple[str, StackProfile]]:
    """The profile types that the report has anything for."""
    for kind, columns in _TYPES.items():
        source = report.allocations if kind == "HEAP" else report.stacks
        if source is not None and (chosen := _chosen(source, columns)) is not None:
            yield kind, replace(chosen, start_unix_ns=report.start_unix_ns, duration_s=report.duration_s)


def _chosen(profile: StackProfile, columns: tuple[str, ...]) -> StackProfile | None:
    """The profile with these columns alone and redacted names; None where no stack has any weight."""
    try:
        places = [profile.column(name) for name in columns]
    except KeyError:
        return None
    sums: dict[tuple[tuple[int, ...], str, str], list[int]] = {}
    for record in profile.records:
        if record.values[places[-1]] <= 0:
            continue
        key = (record.stack, redact(record.thread), redact(record.operation))
        held = sums.setdefault(key, [0] * len(places))
        for index, place in enumerate(places):
            held[index] += record.values[place]
    if not sums:
        return None
    kinds = (profile.value_types[place] for place in places)
    return replace(
        profile,
        value_types=tuple(IN_USE if kind.name == "alloc" else kind for kind in kinds),
        records=tuple(
            StackRecord(stack, tuple(values), thread, operation)
            for (stack, thread, operation), values in sums.items()
        ),
    )


def _deployment(project: str, config: ProfilerConfig) -> _Deployment:
    if PROJECT.fullmatch(project) is None:
        raise ConfigurationError(
            f"the project is {project!r}; Cloud Profiler wants a project's id, not its number: "
            "set GOOGLE_CLOUD_PROJECT or gcp.project_id"
        )
    if not config.service:
        raise ConfigurationError(
            "profiler.service is not set, and Cloud Profiler files profiles under it; set "
            "GENESIS_PERF__PROFILER__SERVICE, for example to 'checkout' (Cloud Run sets K_SERVICE)"
        )
    if TARGET.fullmatch(config.service) is None:
        raise ConfigurationError(
            f"profiler.service is {config.service!r:.300}; Cloud Profiler takes up to 255 lower case "
            "letters, digits, '-', '_' and '.', beginning with a letter and ending with a letter or a digit"
        )
    labels = {"language": "python"}
    if config.service_version:
        labels["version"] = config.service_version
    if config.zone:
        labels["zone" if ZONE.fullmatch(config.zone) else "region"] = config.zone
    for setting, value in (("service_version", config.service_version), ("zone", config.zone)):
        if value and len(value.encode()) > MAX_LABEL_BYTES // 2:  # so that all of them fit together
            raise ConfigurationError(
                f"profiler.{setting} is {value[:40]!r}..., which has {len(value.encode())} bytes; "
                f"at most {MAX_LABEL_BYTES // 2} are sent to Cloud Profiler"
            )
    return project, config.service, tuple(sorted(labels.items()))


def _labels(given: Mapping[str, str], own: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The report's labels in Cloud Profiler's form, as far as they fit beside those of the deployment."""
    taken = dict(own)
    left = MAX_LABELS_BYTES - sum(len(name) + len(value.encode()) for name, value in own)
    labels: dict[str, str] = {}
    for name, value in given.items():
        fitting = re.sub(r"[^a-z0-9]+", "-", name.lower())[:63].strip("-")
        text = redact_value(value)
        size = len(fitting) + len(text.encode())
        if not fitting or fitting in taken or len(text.encode()) > MAX_LABEL_BYTES or size > left:
            continue
        labels[fitting] = taken[fitting] = text
        left -= size
    return labels


def _say_local() -> None:
    if _sent.said_local:
        return
    _sent.said_local = True
    import logging  # not at the top: a session that is not uploaded does not pay for it

    logging.getLogger(__name__).warning(
        "there is no project to upload profiles to: profiles stay local; set GOOGLE_CLOUD_PROJECT"
    )


def _after_fork_in_child() -> None:
    _sent.lock = threading.Lock()  # the parent's may be held by a thread that is not here


os.register_at_fork(after_in_child=_after_fork_in_child)
