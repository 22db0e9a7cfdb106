"""The HTTP front of a cloud: the control API for tests, the REST methods that have no gRPC twin, and OTLP."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from google.rpc import code_pb2, status_pb2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..errors import InvalidInputError
from .cloud import Cloud
from .dispatch import answer
from .rpc_error import RpcError

ALERTS = "google.monitoring.v3.AlertPolicyService"
PROFILER = "google.devtools.cloudprofiler.v2.ProfilerService"
PROFILES = "google.devtools.cloudprofiler.v2.ExportService"
OTLP_METRICS = "opentelemetry.proto.collector.metrics.v1.MetricsService"
OTLP_TYPES = ("application/x-protobuf", "application/json")
MAX_BODY_BYTES = 1 << 20
MAX_OTLP_BODY_BYTES = 64 << 20
MAX_PROFILE_BODY_BYTES = 32 << 20

HTTP_STATUS = {  # of google.rpc.Code, as its own comments state them
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}


def application(cloud: Cloud) -> Starlette:
    """The ASGI application of ``cloud``."""
    front = _Front(cloud)
    return Starlette(
        routes=[
            Route("/healthz", front.health),
            Route("/control/faults", front.plant_fault, methods=["POST"]),
            Route("/control/faults", front.list_faults, methods=["GET"]),
            Route("/control/faults", front.clear_faults, methods=["DELETE"]),
            Route("/control/clock", front.set_clock, methods=["POST"]),
            Route("/control/clock", front.get_clock, methods=["GET"]),
            Route("/control/calls", front.calls, methods=["GET"]),
            Route("/control/ingested", front.ingested, methods=["GET"]),
            Route("/control/alerts", front.inject_alert, methods=["POST"]),
            Route("/v3/projects/{project}/alerts", front.list_alerts, methods=["GET"]),
            Route("/v3/projects/{project}/alerts/{alert}", front.get_alert, methods=["GET"]),
            Route("/v2/projects/{project}/profiles:createOffline", front.create_profile, methods=["POST"]),
            Route("/v2/projects/{project}/profiles", front.list_profiles, methods=["GET"]),
            Route("/v1/metrics", front.export_metrics, methods=["POST"]),
        ],
        exception_handlers={
            InvalidInputError: _say_bad_request,
            RpcError: _say_status,
            HTTPException: _say_http,
            ClientDisconnect: _say_nothing,
        },
    )


class _Front:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def health(self, _request: Request) -> JSONResponse:
        return JSONResponse({"ok": True, "internal_errors": self._cloud.internal_errors})

    async def plant_fault(self, request: Request) -> JSONResponse:
        fault = self._cloud.faults.add(await _body(request))
        return JSONResponse(asdict(fault))

    async def list_faults(self, _request: Request) -> JSONResponse:
        return JSONResponse(self._cloud.faults.list())

    async def clear_faults(self, _request: Request) -> JSONResponse:
        return JSONResponse({"cleared": self._cloud.faults.clear()})

    async def set_clock(self, request: Request) -> JSONResponse:
        fields = await _body(request)
        unknown = sorted(set(fields) - {"advance_s", "freeze"})
        if unknown or not fields:
            raise InvalidInputError('the clock takes {"advance_s": SECONDS} and {"freeze": true or false}')
        advance_s, freeze = fields.get("advance_s", 0), fields.get("freeze")
        if isinstance(advance_s, bool) or not isinstance(advance_s, int | float) or not 0 <= advance_s <= 1e9:
            raise InvalidInputError(f"advance_s is {advance_s!r}; it must be seconds, from 0 to 1e9")
        if freeze is not None and not isinstance(freeze, bool):
            raise InvalidInputError(f"freeze is {freeze!r}; it must be true or false")
        if freeze is not None:
            self._cloud.clock.freeze(freeze)
        self._cloud.clock.advance(advance_s)
        self._cloud.tick()
        return await self.get_clock(request)

    async def get_clock(self, _request: Request) -> JSONResponse:
        now_s = self._cloud.clock.now_ns() / 1e9
        now = datetime.fromtimestamp(now_s, UTC).isoformat()
        return JSONResponse({"now": now, "now_s": now_s, "frozen": self._cloud.clock.is_frozen})

    async def calls(self, _request: Request) -> JSONResponse:
        return JSONResponse(dict(sorted(self._cloud.calls.items())))

    async def inject_alert(self, request: Request) -> JSONResponse:
        return JSONResponse(self._alerts().inject_alert(await _body(request)))

    async def list_alerts(self, request: Request) -> JSONResponse:
        query = request.query_params
        page_size = query.get("pageSize", "0")
        if not page_size.isascii() or not page_size.isdigit():
            raise RpcError("INVALID_ARGUMENT", f"Invalid value at 'page_size' (TYPE_INT32), \"{page_size}\"")
        return JSONResponse(
            await self._rest(
                "google.monitoring.v3.AlertService/ListAlerts",
                self._alerts().list_alerts,
                f"projects/{request.path_params['project']}",
                query.get("filter", ""),
                int(page_size),
                query.get("pageToken", ""),
                query.get("orderBy", ""),
            )
        )

    async def get_alert(self, request: Request) -> JSONResponse:
        name = "projects/{project}/alerts/{alert}".format(**request.path_params)
        path = "google.monitoring.v3.AlertService/GetAlert"
        return JSONResponse(await self._rest(path, self._alerts().get_alert, name))

    async def create_profile(self, request: Request) -> JSONResponse:
        create = self._cloud.services[PROFILER].create_offline
        fields = await _body(request, MAX_PROFILE_BODY_BYTES)
        project = request.path_params["project"]
        return JSONResponse(await self._rest(f"{PROFILER}/CreateOfflineProfile", create, project, fields))

    async def list_profiles(self, request: Request) -> JSONResponse:
        find, query = self._cloud.services[PROFILES].list_profiles, request.query_params
        size, token = query.get("pageSize", ""), query.get("pageToken", "")
        project = request.path_params["project"]
        return JSONResponse(await self._rest(f"{PROFILES}/ListProfiles", find, project, size, token))

    async def ingested(self, _request: Request) -> JSONResponse:
        return JSONResponse({"otlp": dict(self._cloud.services[OTLP_METRICS].ingested)})

    async def export_metrics(self, request: Request) -> Response:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in OTLP_TYPES:
            return _error(415, "INVALID_ARGUMENT", f"Content-Type must be one of {', '.join(OTLP_TYPES)}")
        is_json = media_type == OTLP_TYPES[1]
        service = self._cloud.services[OTLP_METRICS]
        export = service.export_json if is_json else service.Export
        try:
            body = await _unpacked_body(request)
            return Response(await self._rest(f"{OTLP_METRICS}/Export", export, body), media_type=media_type)
        except _TooLargeError:
            status, code = 413, "RESOURCE_EXHAUSTED"
            said = f"the body is larger than {MAX_OTLP_BODY_BYTES} bytes"
        except RpcError as error:
            status, code, said = HTTP_STATUS.get(error.code, 500), error.code, error.message
        if is_json:
            return _error(status, code, said)
        told = status_pb2.Status(code=code_pb2.Code.Value(code), message=said)
        return Response(told.SerializeToString(), status, media_type=media_type)

    async def _rest(self, path: str, function: Callable[..., Any], *arguments: Any) -> Any:
        def call() -> Any:
            self._cloud.tick()  # an answer is as of now, not as of the last tick
            return function(*arguments)

        return await answer(self._cloud, path, call)

    def _alerts(self) -> Any:
        return self._cloud.services[ALERTS]


async def _body(request: Request, most: int = MAX_BODY_BYTES) -> dict[str, Any]:
    """The request's JSON object, or an error that says what is wrong with it."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise InvalidInputError(f"the body is larger than {most} bytes")
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"the body is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise InvalidInputError(f"the body must be a JSON object, not {type(fields).__name__}")
    return fields


class _TooLargeError(Exception):
    """The body of an export has more bytes than are taken."""


async def _unpacked_body(request: Request) -> bytes:
    """The request's bytes, out of gzip where it says so."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_OTLP_BODY_BYTES:
            raise _TooLargeError
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        return bytes(body)
    if encoding != "gzip":
        raise RpcError("INVALID_ARGUMENT", f"Content-Encoding {encoding!r} is not known; send gzip or none")
    plain = bytearray()
    rest = bytes(body)
    while True:  # a gzip file may consist of several
        inflating = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            plain += inflating.decompress(rest, MAX_OTLP_BODY_BYTES + 1 - len(plain))
        except zlib.error:
            raise RpcError("INVALID_ARGUMENT", "the body is not compressed with gzip") from None
        if len(plain) > MAX_OTLP_BODY_BYTES:
            raise _TooLargeError
        if not inflating.eof:
            raise RpcError("INVALID_ARGUMENT", "the body is cut off")
        rest = inflating.unused_data
        if not rest:
            return bytes(plain)


def _error(http_status: int, status: str, message: str) -> JSONResponse:
    return JSONResponse(
        {"error": {"code": http_status, "message": message, "status": status}}, status_code=http_status
    )


async def _say_bad_request(_request: Request, error: Exception) -> JSONResponse:
    return _error(400, "INVALID_ARGUMENT", str(error))


async def _say_status(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RpcError)
    return _error(HTTP_STATUS.get(error.code, 500), error.code, error.message)


async def _say_nothing(_request: Request, _error: Exception) -> Response:
    """Who sent half a request has gone: a process that was killed is no fault of ours."""
    return Response(status_code=400)


async def _say_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    text = f"{request.method} {request.url.path}: {HTTPStatus(error.status_code).phrase}"
    return _error(error.status_code, "NOT_FOUND" if error.status_code == 404 else "UNIMPLEMENTED", text)
