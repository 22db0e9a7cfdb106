"""Wrap functions, coroutine functions and generator functions so that each call is recorded."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Generator
from types import FunctionType, coroutine
from typing import TYPE_CHECKING, Any

from .core import Steps, coroutine_function, plain_function
from .current import current

if TYPE_CHECKING:
    from .recorder import Recorder

_LOOKS_LIKE_A_FUNCTION = ("__code__", "__defaults__", "__kwdefaults__", "__globals__", "__closure__")
"""With these, ``inspect`` tells what was decorated also where the wrapper is no Python function."""


_ITERABLE_COROUTINE = 0x100
"""CO_ITERABLE_COROUTINE: a generator function that ``types.coroutine`` made awaitable."""

_METHOD_KINDS: dict[str, Callable[..., Any]] = {
    "__new__": staticmethod,
    "__init_subclass__": classmethod,
    "__class_getitem__": classmethod,
}
"""What Python makes of them in a class, of functions only."""


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
    if type(wrapper) is not FunctionType:
        for attribute in _LOOKS_LIKE_A_FUNCTION:
            if hasattr(function, attribute):
                setattr(wrapper, attribute, getattr(function, attribute))
    kind = _METHOD_KINDS.get(function.__name__) if hasattr(function, "__name__") else None
    return kind(wrapper) if kind is not None else wrapper


def _generator_function(recorder: Recorder, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def generator_wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        body = function(*args, **kwargs)
        return (yield from (Steps(recorder, name, body) if recorder.enabled else body))

    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & _ITERABLE_COROUTINE:
        return coroutine(generator_wrapper)
    return generator_wrapper


def _async_generator_function(
    recorder: Recorder, name: str, function: Callable[..., Any]
) -> Callable[..., Any]:
    async def async_generator_wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        body = function(*args, **kwargs)
        resume, argument = body.asend, None
        # Its consumer has the same context: between two items it goes on with what it was in itself.
        outside = current.get()
        try:
            with recorder.operation(name):
                while True:
                    try:
                        item = await resume(argument)
                    except StopAsyncIteration:
                        return
                    inside = current.get()
                    current.set(outside)
                    try:
                        argument = yield item
                        resume = body.asend
                    except GeneratorExit:
                        outside = current.get()
                        current.set(inside)
                        await body.aclose()
                        raise
                    except BaseException as thrown:  # noqa: BLE001 - it belongs to the body
                        argument = thrown
                        resume = body.athrow
                    outside = current.get()
                    current.set(inside)
        finally:
            current.set(outside)

    return async_generator_wrapper
