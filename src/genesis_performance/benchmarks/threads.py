"""Run blocking work beside an event loop, in a thread that nobody has to wait for at exit."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


def start(work: Callable[[], T]) -> Future[T]:
    """Begin the work in a daemon thread: a target that hangs must not keep the process alive."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # from here on it can not be cancelled, only abandoned
    context = contextvars.copy_context()

    def run() -> None:
        try:
            result = context.run(work)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the result is read
            done.set_exception(error)
        else:
            done.set_result(result)

    threading.Thread(target=run, name="genesis-benchmark", daemon=True).start()
    return done


def run_coroutine(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine from synchronous code, also where an event loop runs in this thread already."""
    if loop_is_running():
        return start(lambda: asyncio.run(make())).result()
    return asyncio.run(make())


def loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
