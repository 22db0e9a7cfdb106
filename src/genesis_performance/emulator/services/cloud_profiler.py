"""The emulated Cloud Profiler: offline profiles are checked, kept and listed, over REST only.

Source: the REST reference of ``projects.profiles`` and ``google/devtools/cloudprofiler/v2/profiler.proto``.
"""

from __future__ import annotations

import re
import secrets
import zlib
from collections import deque
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from ..cloud import Cloud
from ..crud import copied, invalid
from ..paging import page_of
from ..projects import PROJECT, number_of
from ..rpc_error import RpcError
from .profiler_messages import PPROF, PROFILER, message

PROJECT_ID = r"[a-z][-a-z0-9:.]{4,61}[a-z0-9]"
TARGET = r"[a-z]([-a-z0-9_.]{0,253}[a-z0-9])?"
LABEL_NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
MAX_LABEL_BYTES = 512
MAX_LABELS_BYTES = 1024
MAX_PAGE = 1000
RETENTION_NS = 30 * 86_400 * 10**9
MAX_HELD = 1000  # profiles, of all projects; older ones go
MAX_HELD_BYTES = 256 << 20
MAX_UNPACKED_BYTES = 256 << 20  # of one profile: more is a bomb

_Profile = message(f"{PROFILER}.Profile")
_ListRequest = message(f"{PROFILER}.ListProfilesRequest")
_ListResponse = message(f"{PROFILER}.ListProfilesResponse")
_Pprof = message(f"{PPROF}.Profile")


class ProfilerService:
    """google.devtools.cloudprofiler.v2.ProfilerService, as far as ``createOffline`` goes."""

    SERVICE = f"{PROFILER}.ProfilerService"

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._held: deque[Any] = deque()  # in the order of their arrival

    def create_offline(self, project: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """``POST v2/projects/{project}/profiles:createOffline`` with a Profile as its body.

        Raises:
            RpcError: INVALID_ARGUMENT, because something in it can not be so.
        """
        _check_parent(project)
        given = _parsed(fields, _Profile)
        _check_deployment(given.deployment, project)
        _check_labels(given.labels, "profile.labels")
        if not given.profile_type:
            raise invalid("profile.profile_type", "PROFILE_TYPE_UNSPECIFIED", "it must be set.")
        if given.duration.ToNanoseconds() <= 0:
            raise invalid("profile.duration", given.duration.ToJsonString(), "it must be positive.")
        content = unpacked(given.profile_bytes)
        given.name = f"projects/{project}/profiles/{secrets.token_hex(8)}"
        given.start_time.FromNanoseconds(content.time_nanos or self._cloud.clock.now_ns())
        self._forget_old()
        self._check_order(given)
        self._keep(given)
        shown = copied(given)
        shown.ClearField("profile_bytes")  # input only
        shown.ClearField("labels")
        return json_format.MessageToDict(shown)

    def held(self, project: str) -> list[Any]:
        """The project's profiles that are younger than 30 days, oldest first."""
        self._forget_old()
        number = number_of(project)
        return [one for one in self._held if number_of(one.deployment.project_id) == number]

    def dump(self) -> list[dict[str, Any]]:
        return [json_format.MessageToDict(one) for one in self._held]

    def load(self, value: list[dict[str, Any]]) -> None:
        try:
            self._held.extend(json_format.ParseDict(one, _Profile()) for one in value)
        except json_format.ParseError as error:
            raise ValueError(str(error)) from None

    def _check_order(self, given: Any) -> None:
        begun_ns = given.start_time.ToNanoseconds()
        for one in self._held:
            same = one.deployment == given.deployment and one.profile_type == given.profile_type
            if same and one.start_time.ToNanoseconds() > begun_ns:
                raise RpcError(
                    "INVALID_ARGUMENT",
                    "Profiles of a deployment must be created in ascending time order: this one began at "
                    f"{given.start_time.ToJsonString()}, before {one.start_time.ToJsonString()}.",
                )

    def _keep(self, given: Any) -> None:
        self._held.append(given)
        held_bytes = sum(len(one.profile_bytes) for one in self._held)
        while len(self._held) > MAX_HELD or held_bytes > MAX_HELD_BYTES:
            held_bytes -= len(self._held.popleft().profile_bytes)

    def _forget_old(self) -> None:
        oldest_ns = self._cloud.clock.now_ns() - RETENTION_NS
        self._held = deque(one for one in self._held if one.start_time.ToNanoseconds() >= oldest_ns)


class ExportService:
    """google.devtools.cloudprofiler.v2.ExportService."""

    SERVICE = f"{PROFILER}.ExportService"

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def list_profiles(self, project: str, page_size: str, page_token: str) -> dict[str, Any]:
        """``GET v2/projects/{project}/profiles``.

        Raises:
            RpcError: INVALID_ARGUMENT, because the size or the token is wrong.
        """
        _check_parent(project)
        query = {"parent": f"projects/{project}", "pageSize": page_size or "0", "pageToken": page_token}
        request = _parsed(query, _ListRequest)
        held = self._cloud.service(ProfilerService).held(project)
        page, following = page_of(held, request, most=MAX_PAGE)
        return json_format.MessageToDict(_ListResponse(profiles=page, next_page_token=following))


def unpacked(content: bytes) -> Any:
    """The pprof message in the bytes of a profile.

    Raises:
        RpcError: they are no gzip, hold no pprof, or one that contradicts itself.
    """
    inflating = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = inflating.decompress(content, MAX_UNPACKED_BYTES)
    except zlib.error:
        raise _no_profile("they are not compressed with gzip") from None
    if not inflating.eof:
        raise _no_profile(f"they are cut off, or larger than {MAX_UNPACKED_BYTES} bytes")
    try:
        found = _Pprof.FromString(plain)
    except DecodeError:
        raise _no_profile("they are no serialized pprof profile") from None
    strings = len(found.string_table)
    if not strings or found.string_table[0]:
        raise _no_profile("the string table does not begin with an empty text")
    if not found.sample_type:
        raise _no_profile("there is no sample type")
    if any(not 0 <= text < strings for kind in found.sample_type for text in (kind.type, kind.unit)):
        raise _no_profile("a sample type is named outside the string table")
    locations = {location.id for location in found.location}
    for sample in found.sample:
        if len(sample.value) != len(found.sample_type):
            raise _no_profile("a sample has not one value for each sample type")
        if not locations.issuperset(sample.location_id):
            raise _no_profile("a sample has a location that is not there")
    return found


def _no_profile(reason: str) -> RpcError:
    return RpcError("INVALID_ARGUMENT", f"Field profile.profile_bytes is invalid: {reason}.")


def _parsed(fields: Mapping[str, Any], kind: type[Any]) -> Any:
    try:
        return json_format.ParseDict(fields, kind())
    except (json_format.ParseError, ValueError, TypeError) as error:
        raise RpcError("INVALID_ARGUMENT", f"Invalid JSON payload received. {str(error)[:500]}") from None


def _check_parent(project: str) -> None:
    if re.fullmatch(PROJECT, f"projects/{project}") is None:
        raise invalid("parent", f"projects/{project}", "it must have the form projects/[PROJECT].")


def _check_deployment(deployment: Any, project: str) -> None:
    where = "profile.deployment"
    if re.fullmatch(PROJECT_ID, deployment.project_id) is None:
        raise invalid(f"{where}.project_id", deployment.project_id, f"it must match ^{PROJECT_ID}$.")
    if number_of(deployment.project_id) != number_of(project):
        raise invalid(f"{where}.project_id", deployment.project_id, "it is not the project of the parent.")
    if re.fullmatch(TARGET, deployment.target) is None:
        raise invalid(f"{where}.target", deployment.target, f"it must match ^{TARGET}$.")
    _check_labels(deployment.labels, f"{where}.labels")


def _check_labels(labels: Mapping[str, str], field: str) -> None:
    total = 0
    for name, value in labels.items():
        size = len(value.encode())
        if re.fullmatch(LABEL_NAME, name) is None:
            raise invalid(field, name, f"names must match ^{LABEL_NAME}$.")
        if size > MAX_LABEL_BYTES:
            raise invalid(f"{field}[{name}]", value, f"at most {MAX_LABEL_BYTES} bytes.")
        total += len(name) + size
    if total > MAX_LABELS_BYTES:
        raise invalid(field, f"{total} bytes", f"names and values may have {MAX_LABELS_BYTES} bytes in all.")


SERVICES = (ProfilerService, ExportService)
