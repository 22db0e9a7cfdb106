"""Time a coroutine step by step, so that one which sleeps is charged no CPU.

The thread's CPU clock runs on while other tasks run; read around each ``send`` it counts only what
the coroutine itself did.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any

from .execution import Execution
from .recorder import Recorder


def recorded(recorder: Recorder, function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Wrap a function, coroutine function or generator function so that its calls are recorded."""
    import inspect  # slow to import, and not every host decorates

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine_wrapper(*args: Any, **kwargs: Any) -> Any:
            if not recorder.enabled:
                return await function(*args, **kwargs)
            return await Steps(recorder, name, function(*args, **kwargs))

        return coroutine_wrapper
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def async_generator_wrapper(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with recorder.operation(name):
                async for item in function(*args, **kwargs):
                    yield item

        return async_generator_wrapper
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator_wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with recorder.operation(name):
                return (yield from function(*args, **kwargs))

        return generator_wrapper

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with recorder.operation(name):
            return function(*args, **kwargs)

    return wrapper


class Steps:
    """An awaitable that drives a coroutine and records it as one execution."""

    __slots__ = ("_coroutine", "_name", "_recorder")

    def __init__(self, recorder: Recorder, name: str, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._recorder = recorder
        self._name = name
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        recorder = self._recorder
        execution = Execution(recorder, self._name, ())
        cell = execution.begin()
        sampled = recorder.cpu_mask >= 0 and not (cell.started - 1) & recorder.cpu_mask
        cpu_ns = 0
        step: Callable[[Any], Any] = self._coroutine.send
        argument: Any = None
        begin_ns = recorder.clock_ns()
        error: BaseException | None = None
        try:
            while True:
                before_ns = recorder.cpu_clock_ns() if sampled else 0
                try:
                    waited_for = step(argument)
                finally:
                    if sampled:
                        cpu_ns += recorder.cpu_clock_ns() - before_ns
                try:
                    argument = yield waited_for
                    step = self._coroutine.send
                except GeneratorExit:
                    self._coroutine.close()
                    raise
                except BaseException as thrown:  # noqa: BLE001 - it belongs to the coroutine
                    argument = thrown
                    step = self._coroutine.throw
        except StopIteration as done:
            return done.value
        except BaseException as raised:
            error = raised
            raise
        finally:
            duration_ns = recorder.clock_ns() - begin_ns
            if sampled:
                cell.cpu_ns += cpu_ns
                cell.cpu_samples += 1
            cell.record(duration_ns)
            if error is not None and not isinstance(error, GeneratorExit):
                cell.record_error(type(error))
            execution.leave(duration_ns)
