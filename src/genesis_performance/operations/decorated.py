"""Wrap functions, coroutine functions and generator functions so that each call is recorded."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, Any

from .core import Steps, coroutine_function, plain_function
from .current import current
from .execution import NullExecution

if TYPE_CHECKING:
    from .recorder import Recorder

_LOOKS_LIKE_A_FUNCTION = ("__code__", "__defaults__", "__kwdefaults__")
"""With these, ``inspect`` tells what was decorated also where the wrapper is no Python function."""


def recorded(recorder: Recorder, function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function, with its calls recorded under ``name``."""
    import inspect  # slow to import, and not every host decorates

    if inspect.iscoroutinefunction(function):
        wrapper = coroutine_function(recorder, name, function)
    elif inspect.isasyncgenfunction(function):
        wrapper = _async_generator_function(recorder, name, function)
    elif inspect.isgeneratorfunction(function):
        wrapper = _generator_function(recorder, name, function)
    else:
        wrapper = plain_function(recorder, name, function)
    functools.update_wrapper(wrapper, function)
    if not inspect.isfunction(wrapper):
        for attribute in _LOOKS_LIKE_A_FUNCTION:
            if hasattr(function, attribute):
                setattr(wrapper, attribute, getattr(function, attribute))
    return wrapper


def _generator_function(recorder: Recorder, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def generator_wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        body = function(*args, **kwargs)
        return (yield from (Steps(recorder, name, body) if recorder.enabled else body))

    return generator_wrapper


def _async_generator_function(
    recorder: Recorder, name: str, function: Callable[..., Any]
) -> Callable[..., Any]:
    async def async_generator_wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        body = function(*args, **kwargs)
        resume, argument = body.asend, None
        with recorder.operation(name) as execution:
            while True:
                try:
                    item = await resume(argument)
                except StopAsyncIteration:
                    return
                # Between two items the operation is nobody's current one.
                if not isinstance(execution, NullExecution):
                    current.set(execution.parent)
                try:
                    argument = yield item
                    resume = body.asend
                except GeneratorExit:
                    await body.aclose()
                    raise
                except BaseException as thrown:  # noqa: BLE001 - it belongs to the body
                    argument = thrown
                    resume = body.athrow
                finally:
                    if not isinstance(execution, NullExecution):
                        current.set(execution)

    return async_generator_wrapper
