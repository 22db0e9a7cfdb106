"""What happens around every call: it is counted, planted faults strike, and errors become statuses."""

from __future__ import annotations

import asyncio
import inspect
import logging
import traceback
from collections.abc import Callable
from typing import Any

from .cloud import Cloud
from .faults import Fault
from .rpc_error import RpcError

log = logging.getLogger(__name__)


async def answer(cloud: Cloud, path: str, call: Callable[[], Any]) -> Any:
    """Run ``call`` as one call of the method ``path``; a method that waits returns an awaitable.

    Raises:
        RpcError: whatever is wrong, nothing else.
    """
    cloud.calls[path] += 1
    try:
        return await _faulty(cloud.faults.take(path), call)
    except RpcError:
        raise
    except Exception as error:  # noqa: BLE001  a service's bug must not look like an answer of Google's
        cloud.internal_errors += 1
        # Neither the answer nor the log shows the exception's text: it may quote a payload.
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error("%s: %s at %s:%s", path, type(error).__name__, place.filename, place.lineno)
        raise RpcError(
            "INTERNAL", f"Internal error encountered: {type(error).__name__} in the emulator's {path}."
        ) from None


async def _faulty(fault: Fault | None, call: Callable[[], Any]) -> Any:
    if fault is not None and not fault.applied:
        await _strike(fault)
        fault = None
    try:
        outcome = call()
        if inspect.isawaitable(outcome):
            outcome = await outcome
    except RpcError:
        if fault is not None:
            await _strike(fault)
        raise
    if fault is not None:
        await _strike(fault)
    return outcome


async def _strike(fault: Fault) -> None:
    await asyncio.sleep(fault.delay_ms / 1000)
    if fault.code != "OK":
        raise RpcError(fault.code, fault.message or f"{fault.code}, planted in the emulator.")
