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
    fault = cloud.faults.take(path)
    if fault is None:
        return await _run(cloud, path, call)
    if not fault.applied:
        await _strike(fault)
        return await _run(cloud, path, call)
    try:
        return await _run(cloud, path, call)
    finally:
        await _strike(fault)  # its error stands for the answer, whatever that is


async def _strike(fault: Fault) -> None:
    await asyncio.sleep(fault.delay_ms / 1000)
    if fault.code != "OK":
        raise RpcError(fault.code, fault.message or f"{fault.code}, planted in the emulator.")


async def _run(cloud: Cloud, path: str, call: Callable[[], Any]) -> Any:
    try:
        outcome = call()
        return await outcome if inspect.isawaitable(outcome) else outcome
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
