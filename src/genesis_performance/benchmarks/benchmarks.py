"""``PerformanceBenchmarks``: register functions, measure them, keep and judge the results."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

from ..config import configured_project, project_argument, settings
from ..errors import GenesisPerformanceError, InvalidInputError, NoDataError, StoreError, UnknownNameError
from ..model.benchmark import BenchmarkResult
from ..model.change import Baseline
from ..stats.robust import median
from ..storage import Kind, LazyStore, Store, from_body, to_body
from .config import BenchmarkConfig
from .measure import (
    Clock,
    Flow,
    Measurement,
    NeedsAwaitError,
    abandon,
    adrive,
    default_clock,
    drive,
    flow,
    timed_out,
)
from .publishing import NOT_SENT, publisher
from .result import result_of
from .threads import loop_is_running, run_coroutine, start

log = logging.getLogger(__name__)

Publish = Callable[[str, float, Mapping[str, str]], None]

IN_THREAD = "measured in a thread beside a running event loop, which shares the interpreter with it"
GRACE_S = 1.0  # beyond timeout_s, for an iteration to end by itself


class PerformanceBenchmarks:
    """Benchmarks of this process.

    Args:
        store: where results are kept; the history store of the settings by default, opened at first use.
        gcp_project_id, project_id: two names of the same; the project that metrics are for.
        publish: sends one metric (name, value, labels); called for benchmarks with
            ``enable_cloud_monitoring``. By default they go to Cloud Monitoring, in the background.
        clock: nanoseconds of a monotonic clock.
        wall_clock: nanoseconds since the epoch.
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        gcp_project_id: str | None = None,
        project_id: str | None = None,
        publish: Publish | None = None,
        clock: Clock = default_clock,
        wall_clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._project = project_argument(gcp_project_id, project_id)
        self._store = LazyStore(store)
        self.publish = publish
        self._clock = clock
        self._wall_clock = wall_clock
        self._configs: dict[str, BenchmarkConfig] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Registered benchmarks, in the order of their registration."""
        return tuple(self._configs)

    @property
    def project_id(self) -> str | None:
        """The project of the arguments or the settings."""
        return configured_project(self._project)

    def register_benchmark(self, config: BenchmarkConfig, *, replace: bool = False) -> None:
        """Add a benchmark.

        Raises:
            InvalidInputError: one of this name is registered, and ``replace`` was not asked for.
        """
        if not isinstance(config, BenchmarkConfig):
            raise InvalidInputError(f"config is a {type(config).__name__}; it must be a BenchmarkConfig")
        if config.benchmark_name in self._configs and not replace:
            raise InvalidInputError(
                f"benchmark {config.benchmark_name!r} is registered already; "
                "give another name, or replace=True"
            )
        self._configs[config.benchmark_name] = config

    async def run_benchmark(self, name: str) -> BenchmarkResult:
        """Measure a benchmark, keep its result and return it.

        A coroutine function is awaited on this event loop, a plain function runs in a thread.

        Raises:
            UnknownNameError: there is none of this name.
            InvalidInputError: the function raised, or took longer than its ``timeout_s``.
        """
        config = self._known(name)
        started = self._wall_clock()
        if config.is_coroutine_function:
            return await asyncio.to_thread(self._finish, config, started, await self._measure_async(config))
        measured = Measurement()
        work = start(lambda: self._measure(config, measured))
        try:
            await asyncio.wait_for(asyncio.wrap_future(work), config.timeout_s + GRACE_S)
        except NeedsAwaitError:
            return await asyncio.to_thread(self._finish, config, started, await self._measure_async(config))
        except TimeoutError:
            raise timed_out(config, measured) from None
        finally:
            abandon(measured)  # does nothing to one that ended
        return await asyncio.to_thread(self._finish, config, started, measured, (IN_THREAD,))

    def run_benchmark_sync(self, name: str) -> BenchmarkResult:
        """The same without ``await``. Beside a running event loop it measures in another thread."""
        config = self._known(name)
        started = self._wall_clock()
        if config.is_coroutine_function:
            return self._finish(config, started, run_coroutine(lambda: self._measure_async(config)))
        beside = loop_is_running()
        measured = Measurement()
        try:
            if beside:
                start(lambda: self._measure(config, measured)).result(config.timeout_s + GRACE_S)
            else:
                self._measure(config, measured)
        except NeedsAwaitError:
            return self._finish(config, started, run_coroutine(lambda: self._measure_async(config)))
        except TimeoutError:
            raise timed_out(config, measured) from None
        finally:
            abandon(measured)
        return self._finish(config, started, measured, (IN_THREAD,) if beside else ())

    async def run_benchmark_suite(self) -> dict[str, BenchmarkResult]:
        """Measure every registered benchmark, one after the other.

        Raises:
            InvalidInputError: some failed; the others ran all the same and their results are in the store.
        """
        suite = _Suite()
        for name in self.names:
            with suite.counted(name):
                suite.results[name] = await self.run_benchmark(name)
        return suite.end()

    def run_benchmark_suite_sync(self) -> dict[str, BenchmarkResult]:
        """The same without ``await``."""
        suite = _Suite()
        for name in self.names:
            with suite.counted(name):
                suite.results[name] = self.run_benchmark_sync(name)
        return suite.end()

    def results(self, name: str | None = None, limit: int | None = None) -> list[BenchmarkResult]:
        """Kept results, newest first; of all benchmarks without a name."""
        records = self._store.opened().list(Kind.RUN, name, limit=limit)
        return [from_body(BenchmarkResult, record.body) for record in records]

    def create_baseline(self, name: str) -> Baseline:
        """Make the newest kept result the baseline: of later grades, and of ``RegressionDetector``.

        Raises:
            NoDataError: the benchmark has no result yet.
        """
        newest = self.results(name, limit=1)
        if not newest:
            raise NoDataError(f"benchmark {name!r} has no result yet; run it first")
        baseline = Baseline(
            operation_name=name,
            runs_ms=newest[0].runs_ms,
            created_unix_ns=self._wall_clock(),
            environment=newest[0].machine.as_mapping(),
        )
        self._store.opened().put(Kind.BASELINE, name, to_body(baseline))
        return baseline

    def close(self) -> None:
        """Close the store, if it was opened here."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _known(self, name: str) -> BenchmarkConfig:
        try:
            return self._configs[name]
        except (KeyError, TypeError):
            known = ", ".join(self._configs)
            hint = f"known are: {known}" if known else "none is registered: call register_benchmark first"
            raise UnknownNameError(f"unknown benchmark {name!r}; {hint}") from None

    def _measure(self, config: BenchmarkConfig, measured: Measurement) -> None:
        drive(config, self._flow(config, measured), measured, self._clock)

    async def _measure_async(self, config: BenchmarkConfig) -> Measurement:
        measured = Measurement()
        await adrive(config, self._flow(config, measured), measured, self._clock)
        return measured

    def _flow(self, config: BenchmarkConfig, measured: Measurement) -> Flow:
        section = settings().benchmarks
        iterations = config.measurement_iterations or section.default_iterations
        return flow(config, _warmup(config), iterations, measured, self._clock)

    def _finish(
        self,
        config: BenchmarkConfig,
        started_unix_ns: int,
        measured: Measurement,
        notes: tuple[str, ...] = (),
    ) -> BenchmarkResult:
        """Judge, keep and send. A store or a sink that fails costs a note, not the result."""
        failures: list[str] = []
        baseline_median_ms = None
        try:
            baseline_median_ms = self._baseline_median_ms(config.benchmark_name)
        except StoreError as error:
            failures.append(f"the baseline could not be read: {error}")
        result = result_of(
            config,
            measured,
            warmup_iterations=_warmup(config),
            confidence_level=settings().benchmarks.confidence_level,
            start_unix_ns=started_unix_ns,
            baseline_median_ms=baseline_median_ms,
            notes=notes,
        )
        try:
            self._store.opened().append(Kind.RUN, config.benchmark_name, to_body(result))
        except StoreError as error:
            failures.append(f"this result is not kept: {error}")
        failures += self._send(config, result)
        for failure in failures:
            log.warning("benchmark %r: %s", config.benchmark_name, failure)
        return replace(result, notes=(*result.notes, *failures))

    def _baseline_median_ms(self, name: str) -> float | None:
        body = self._store.opened().get(Kind.BASELINE, name)
        return median(from_body(Baseline, body).samples_ms) if body else None

    def _send(self, config: BenchmarkConfig, result: BenchmarkResult) -> list[str]:
        wanted = config.enable_cloud_monitoring
        if not (settings().benchmarks.enable_cloud_monitoring if wanted is None else wanted):
            return []
        values = {
            "benchmark_median_ms": result.median_ms,
            "benchmark_avg_ms": result.mean_ms,
            "benchmark_p95_ms": result.p95_ms,
            "benchmark_p99_ms": result.p99_ms,
        }
        try:
            publish = self.publish or publisher(config.gcp_project_id or self._project)
            if publish is None:
                return [NOT_SENT]
            for name, value in values.items():
                publish(name, value, {"benchmark": result.benchmark_name})
        except Exception as error:  # noqa: BLE001 - whatever a user's function raises
            return [f"the metrics could not be sent: {type(error).__name__}: {error}"]
        return []


class _Suite:
    """Results and failures of a suite."""

    def __init__(self) -> None:
        self.results: dict[str, BenchmarkResult] = {}
        self.failed: dict[str, GenesisPerformanceError] = {}

    @contextlib.contextmanager
    def counted(self, name: str) -> Iterator[None]:
        try:
            yield
        except GenesisPerformanceError as error:
            self.failed[name] = error

    def end(self) -> dict[str, BenchmarkResult]:
        if not self.failed:
            return self.results
        reasons = "; ".join(str(error) for error in self.failed.values())
        raise InvalidInputError(
            f"{len(self.failed)} of {len(self.failed) + len(self.results)} benchmarks failed: {reasons}"
        ) from next(iter(self.failed.values()))


def _warmup(config: BenchmarkConfig) -> int:
    given = config.warmup_iterations
    return settings().benchmarks.warmup_iterations if given is None else given
