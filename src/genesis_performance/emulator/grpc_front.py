"""The gRPC front of a cloud: every known method is registered, the unwritten ones say so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from . import method_table
from .cloud import Cloud
from .dispatch import answer
from .rpc_error import RpcError

MAX_MESSAGE_BYTES = 3000


class Front(grpc.GenericRpcHandler):
    """Answers by path; for a path it does not know gRPC itself says "Method not found!"."""

    def __init__(self, cloud: Cloud) -> None:
        self._handlers = {
            f"/{path}": _handler(cloud, method) for path, method in method_table.methods().items()
        }

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler | None:
        return self._handlers.get(handler_call_details.method)


def _handler(cloud: Cloud, method: method_table.Method) -> grpc.RpcMethodHandler:
    function = getattr(cloud.services.get(method.service), method.rpc, None) or _unwritten(method)

    async def unary(request: Any, context: Any) -> Any:
        try:
            return await answer(cloud, method.path, lambda: function(_read(method, request), context))
        except RpcError as error:
            await _abort(context, error)

    async def stream(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        for response in await unary(requests, context):
            yield response

    serialize = method.response.SerializeToString if method.response else None
    if method.is_streaming:
        return grpc.stream_stream_rpc_method_handler(stream, response_serializer=serialize)
    return grpc.unary_unary_rpc_method_handler(unary, response_serializer=serialize)


def _read(method: method_table.Method, request: Any) -> Any:
    """The request's message; read here, because gRPC would answer UNKNOWN to one that can not be."""
    if method.request is None or method.is_streaming:
        return request
    try:
        return method.request.FromString(request)
    except DecodeError as error:
        raise RpcError("INVALID_ARGUMENT", f"The request can not be read: {error}") from None


def _unwritten(method: method_table.Method) -> Callable[[Any, Any], Any]:
    def refuse(_request: Any, _context: Any) -> Any:
        raise RpcError("UNIMPLEMENTED", f"{method.path} is not emulated.")

    return refuse


async def _abort(context: Any, error: RpcError) -> None:
    code = grpc.StatusCode[error.code]
    message = _fitting(error.message)
    trailer: tuple[tuple[str, bytes], ...] = ()
    if error.details:
        status = status_pb2.Status(code=code.value[0], message=message)
        for detail in error.details:
            status.details.add().Pack(detail)
        trailer = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(code, message, trailer)


def _fitting(message: str) -> str:
    """A message that the trailers can carry: they hold 8 KiB, and other alphabets travel percent-encoded."""
    while len(quote(message)) > MAX_MESSAGE_BYTES:
        message = f"{message[: len(message) * 3 // 4]}..."
    return message
