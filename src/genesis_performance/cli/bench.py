"""``genesis-perf bench``: run the benchmarks of a file, and list what was measured."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..benchmarks import PerformanceBenchmarks
    from ..model.benchmark import BenchmarkResult

EXIT_MISSED_TARGET = 1
EXIT_NOTHING_RAN = 5


@click.group("bench", help="Measure functions and keep the results.")
def command() -> None:
    pass


@command.command("run")
@click.argument("target", metavar="FILE_OR_MODULE[:NAME]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--baseline", is_flag=True, help="Make these results the baselines.")
@click.pass_context
def run(context: click.Context, target: str, as_json: bool, baseline: bool) -> None:
    """Run what a file registers in its module-level ``benchmarks = PerformanceBenchmarks()``.

    With :NAME only the benchmark of that name. Exit codes: 0 ok, 1 a target is missed, 5 nothing ran.
    """
    found, name = _load(target)
    if not found.names:
        click.echo(f"{target} registers no benchmark", err=True)
        context.exit(EXIT_NOTHING_RAN)
    names = [name] if name else list(found.names)
    results = (
        [found.run_benchmark_sync(each) for each in names]
        if name
        else list(found.run_benchmark_suite_sync().values())
    )
    if baseline:
        for each in names:
            found.create_baseline(each)
    if as_json:
        from ..storage import to_body

        document = {"schema_version": 1, "benchmarks": [to_body(result) for result in results]}
        click.echo(json.dumps(document, indent=1))
    else:
        _show(results)
    if any(result.meets_targets is False for result in results):
        context.exit(EXIT_MISSED_TARGET)


@command.command("list")
@click.argument("target", metavar="[FILE_OR_MODULE]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def list_(target: str | None, as_json: bool) -> None:
    """List what a file registers; without one, the newest result of each benchmark in the store."""
    from ..benchmarks import PerformanceBenchmarks
    from ..storage import to_body

    if target:
        names = _load(target)[0].names
        click.echo(json.dumps(list(names)) if as_json else "\n".join(names))
        return
    with PerformanceBenchmarks() as kept:
        newest: dict[str, BenchmarkResult] = {}
        for result in kept.results():
            newest.setdefault(result.benchmark_name, result)
    if as_json:
        click.echo(
            json.dumps({"schema_version": 1, "benchmarks": [to_body(each) for each in newest.values()]})
        )
    elif newest:
        _show(list(newest.values()))
    else:
        click.echo("no results yet: genesis-perf bench run FILE")


def _load(target: str) -> tuple[PerformanceBenchmarks, str | None]:
    """The ``benchmarks`` of a file or module, and the name behind the last colon."""
    from ..benchmarks import PerformanceBenchmarks
    from ..errors import InvalidInputError

    place, name = target, None
    if not Path(target).exists() and ":" in target:
        place, _, name = target.rpartition(":")
    try:
        module = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    except Exception as error:
        raise InvalidInputError(f"{place} can not be loaded: {type(error).__name__}: {error}") from error
    found = getattr(module, "benchmarks", None)
    if not isinstance(found, PerformanceBenchmarks):
        raise InvalidInputError(
            f"{place} has no benchmarks; write benchmarks = PerformanceBenchmarks() at the level of the "
            "module and register a BenchmarkConfig with it"
        )
    return found, name


def _import_file(path: Path) -> object:
    if not path.is_file():
        raise FileNotFoundError("there is no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(
        0, str(path.parent.resolve())
    )  # what stands beside the file can be imported, as by python FILE
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


def _import_module(name: str) -> object:
    sys.path.insert(0, "")
    return importlib.import_module(name)


def _show(results: Sequence[BenchmarkResult]) -> None:
    width = max(9, *(len(result.benchmark_name) for result in results))
    click.echo(
        f"{'benchmark':{width}}  {'median':>10}  {'interval':>21}  {'p95':>10}  {'values':>6}  grade  targets"
    )
    for result in results:
        interval = f"{_time(result.median_low_ms)} to {_time(result.median_high_ms)}"
        met = {None: "-", True: "met", False: "missed"}[result.meets_targets]
        grade = result.performance_grade or "-"
        click.echo(
            f"{result.benchmark_name:{width}}  {_time(result.median_ms):>10}  {interval:>21}  "
            f"{_time(result.p95_ms):>10}  {len(result.samples_ms):>6}  {grade:^5}  {met}"
        )
    for result in results:
        for text in (*result.missed_targets, *result.notes):
            click.echo(f"  {result.benchmark_name}: {text}")
    first = datetime.fromtimestamp(min(result.start_unix_ns for result in results) / 1e9).astimezone()
    click.echo(f"{len(results)} measured, first at {first:%Y-%m-%d %H:%M:%S %z}")


def _time(value_ms: float) -> str:
    for limit, factor, unit in ((1e-3, 1e6, "ns"), (1, 1e3, "us"), (1e3, 1, "ms")):
        if value_ms < limit:
            return f"{value_ms * factor:.4g} {unit}"
    return f"{value_ms / 1e3:.4g} s"
