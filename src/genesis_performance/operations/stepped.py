"""Time what can be suspended step by step, in Python.

The thread's CPU clock runs on while other tasks run; read around each step it counts only what the body
itself did. Between two steps the operation is nobody's current one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any

from . import tracking
from .current import current
from .execution import Execution

if TYPE_CHECKING:
    from .pure import RecorderCore


class Steps:
    """Drives a coroutine or generator and records it as one execution.

    To those who look at it, it is that coroutine: awaitable, iterable, with its frame.
    """

    __slots__ = (
        "_begun",
        "_body",
        "_cpu_ns",
        "_ended",
        "_execution",
        "_inner",
        "_name",
        "_recorder",
        "_sampled",
    )

    def __init__(
        self, recorder: RecorderCore, name: str, body: Coroutine[Any, Any, Any] | Generator[Any, Any, Any]
    ) -> None:
        self._recorder = recorder
        self._name = name
        # Some functions that are marked as coroutine functions return another awaitable.
        self._body = body.__await__() if not hasattr(body, "send") and hasattr(body, "__await__") else body
        self._execution: Execution
        self._inner: Execution | None = None  # the innermost that the body was in when it was suspended
        self._cpu_ns = 0
        self._begun = self._ended = False

    def __await__(self) -> Steps:
        return self

    def __iter__(self) -> Steps:
        return self

    def __next__(self) -> Any:
        return self._step(self._body.send, None)

    def send(self, value: Any) -> Any:
        return self._step(self._body.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._body.throw, *error)

    def close(self) -> None:
        if self._begun and not self._ended:
            self._step(self._body.close, ended=True)
        else:
            self._body.close()

    def __getattr__(self, name: str) -> Any:
        """cr_frame, cr_await, __name__ and all."""
        return getattr(self._body, name)

    def _step(self, resume: Callable[..., Any], *arguments: Any, ended: bool = False) -> Any:
        token = self._go_on() if self._begun else self._begin()
        sampled = self._sampled
        before_ns = self._recorder.cpu_clock_ns() if sampled else 0
        error: BaseException | None = None
        try:
            return resume(*arguments)
        except BaseException as raised:
            error = raised
            raise
        finally:
            if sampled:
                self._cpu_ns += self._recorder.cpu_clock_ns() - before_ns
            if error is not None or ended:
                self._end(None if error is None or isinstance(error, StopIteration) else type(error))
            self._inner = current.get()
            current.reset(token)

    def _go_on(self) -> Any:
        """Be current again, with what the body is within: later than whatever the thread is in by now."""
        inner = within = self._inner or self._execution
        serial = tracking.next_serial()
        while within is not self._execution and within.parent is not None:
            within.serial = serial
            within = within.parent
        self._execution.serial = serial
        return current.set(inner)

    def _begin(self) -> Any:
        """Enter the execution; its token is ours, because it is current only within steps."""
        self._begun = True
        recorder = self._recorder
        cell = recorder.cell(self._name)
        execution = self._execution = Execution(cell)
        body = self._body
        token = execution.begin_steps(getattr(body, "cr_frame", None) or getattr(body, "gi_frame", None))
        self._sampled = recorder.cpu_mask >= 0 and not (cell.started - 1) & recorder.cpu_mask
        return token

    def _end(self, kind: type[BaseException] | None) -> None:
        if not self._begun or self._ended:
            return
        self._ended = True
        if self._sampled:
            cell = self._execution._cell
            cell.cpu_ns += self._cpu_ns
            cell.cpu_samples += 1
        self._execution.__exit__(kind)


def coroutine_function(recorder: RecorderCore, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """What a decorated coroutine function becomes; the caller names it after the function."""

    async def coroutine_wrapper(*args: Any, **kwargs: Any) -> Any:
        if not recorder.enabled:
            return await function(*args, **kwargs)
        return await Steps(recorder, name, function(*args, **kwargs))

    return coroutine_wrapper


def plain_function(recorder: RecorderCore, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """What a decorated function becomes; the caller names it after the function."""

    def function_wrapper(*args: Any, **kwargs: Any) -> Any:
        with recorder.operation(name):
            return function(*args, **kwargs)

    return function_wrapper
