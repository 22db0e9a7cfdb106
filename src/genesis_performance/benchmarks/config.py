"""``BenchmarkConfig``: what one benchmark runs, how often, and how fast it should be."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..config import project_argument
from ..errors import ConfigurationError, InvalidInputError

DEFAULT_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkConfig:
    """One benchmark. What is None comes from the settings ``benchmarks.*``.

    Args:
        target_function: a function or a coroutine function; called with ``args`` and ``kwargs``.
        measurement_iterations: values that are measured.
        warmup_iterations: calls before them that are not measured.
        target_avg_ms, target_p95_ms, target_p99_ms: what the result should be at most.
        gcp_project_id, project_id: two names of the same; the project that metrics are for.
        enable_cloud_monitoring: send the result as metrics.
        timeout_s: of the whole benchmark.
        disable_gc: no garbage collection while measuring. By default it stays on, as in production.
    """

    benchmark_name: str
    target_function: Callable[..., Any]
    measurement_iterations: int | None = None
    warmup_iterations: int | None = None
    target_avg_ms: float | None = None
    target_p95_ms: float | None = None
    target_p99_ms: float | None = None
    gcp_project_id: str | None = None
    project_id: str | None = None
    enable_cloud_monitoring: bool | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    disable_gc: bool = False
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.benchmark_name, str) or not self.benchmark_name:
            raise InvalidInputError(f"benchmark_name is {self.benchmark_name!r}; it must be a text")
        name = f"benchmark {self.benchmark_name!r}"
        plain = unwrapped(self.target_function)
        if not callable(plain):
            raise InvalidInputError(f"{name}: target_function is {plain!r}; it must be callable")
        if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
            raise InvalidInputError(
                f"{name}: target_function is a generator function; calling it runs none of it. Give "
                "a function that consumes the generator"
            )
        self._check_number("measurement_iterations", self.measurement_iterations, lowest=1, whole=True)
        self._check_number("warmup_iterations", self.warmup_iterations, lowest=0, whole=True)
        for key in ("target_avg_ms", "target_p95_ms", "target_p99_ms", "timeout_s"):
            self._check_number(key, getattr(self, key))
        project_argument(self.gcp_project_id, self.project_id)

    @property
    def targets(self) -> dict[str, float]:
        """Statistic (``avg``, ``p95``, ``p99``) to its target in milliseconds, of those that are set."""
        every = {"avg": self.target_avg_ms, "p95": self.target_p95_ms, "p99": self.target_p99_ms}
        return {name: target for name, target in every.items() if target is not None}

    @property
    def is_coroutine_function(self) -> bool:
        return inspect.iscoroutinefunction(unwrapped(self.target_function))

    def _check_number(self, key: str, value: Any, lowest: float | None = None, whole: bool = False) -> None:
        if value is None:
            return
        fine = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if fine and math.isfinite(value) and (value > 0 if lowest is None else value >= lowest):
            return
        kind = "a whole number" if whole else "a number"
        least = "above 0" if lowest is None else f"of at least {lowest:g}"
        raise ConfigurationError(
            f"benchmark {self.benchmark_name!r}: {key} is {value!r}; it must be {kind} {least}"
        )


def unwrapped(function: Any) -> Any:
    """What is really called: through ``functools.partial`` and objects with ``__call__``."""
    while isinstance(function, partial):
        function = function.func
    if not inspect.isroutine(function) and not inspect.isclass(function) and callable(function):
        return type(function).__call__.__get__(function)
    return function
