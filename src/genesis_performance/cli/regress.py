"""``genesis-perf regress``: keep baselines, and check new measurements against them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..model.change import RegressionResult
    from ..regression.samples import Runs

EXIT_REGRESSED = 1
EXIT_INCONCLUSIVE = 3
EXIT_NO_BASELINE = 4
EXIT_NOTHING_COMPARED = 5

FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("regress", help="Find operations that became slower.")
def command() -> None:
    pass


@command.command("baseline")
@click.argument("file", type=FILE)
def baseline(file: Path) -> None:
    """Keep the durations of a JSON file as baselines.

    The file holds milliseconds: a list, a list of runs, an object of either by operation name, or what
    "genesis-perf bench run --json" prints.
    """
    from ..regression import RegressionDetector
    from ..regression.samples import read_runs

    if not file.is_file():
        raise click.UsageError(f"there is no file {file}")
    with RegressionDetector() as detector:
        for name, runs in read_runs(file).items():
            kept = detector.create_baseline(name, runs)
            click.echo(f"{name}: {len(kept.samples_ms)} values in {len(kept.runs_ms)} runs")


@command.command("list")
def list_() -> None:
    """List the baselines in the store."""
    from ..regression import RegressionDetector

    with RegressionDetector() as detector:
        kept = detector.baselines()
    for name, each in kept.items():
        click.echo(f"{name}: {len(each.samples_ms)} values in {len(each.runs_ms)} runs")
    if not kept:
        click.echo("no baselines yet: genesis-perf regress baseline FILE.json")


@command.command("check")
@click.argument("files", nargs=-1, type=FILE, metavar="[BASELINE.json] CURRENT.json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@click.option("--min-effect", type=float, help="Smallest relative change that counts, 0.05 is 5 %.")
@click.option("--confidence", type=float, help="Probability from which it is a regression.")
@click.pass_context
def check(
    context: click.Context,
    files: tuple[Path, ...],
    as_json: bool,
    min_effect: float | None,
    confidence: float | None,
) -> None:
    """Compare two files, or one file with the baselines in the store.

    Exit codes: 0 nothing became slower, 1 a regression, 2 wrong usage, 3 inconclusive, 4 a baseline is
    missing, 5 nothing to compare. Of several, the first in the order 1, 5, 4, 3.
    """
    from ..regression import RegressionDetector
    from ..regression.samples import read_runs

    if len(files) not in (1, 2):
        raise click.UsageError(f"{len(files)} files; give BASELINE.json CURRENT.json, or only CURRENT.json")
    if not files[-1].is_file():
        raise click.UsageError(f"there is no file {files[-1]}")
    if len(files) == 2 and not files[0].is_file():
        click.echo(f"there is no baseline file {files[0]}", err=True)
        context.exit(EXIT_NO_BASELINE)
    with RegressionDetector(min_effect_ratio=min_effect, confidence=confidence) as detector:
        unnamed = files[-1].stem
        known: Mapping[str, Runs] = (
            read_runs(files[0], unnamed)
            if len(files) == 2
            else {name: each.runs_ms for name, each in detector.baselines().items()}
        )
        current = read_runs(files[-1], unnamed)
        results = [
            detector.compare(name, known[name], runs) for name, runs in current.items() if name in known
        ]
    missing = [name for name in current if name not in known]
    _print(results, missing, as_json=as_json)
    context.exit(_exit_code(results, missing))


def _exit_code(results: list[RegressionResult], missing: list[str]) -> int:
    from ..model.change import Verdict

    verdicts = {result.verdict for result in results}
    if Verdict.REGRESSED in verdicts:
        return EXIT_REGRESSED
    if not results and not missing:
        return EXIT_NOTHING_COMPARED
    if missing:
        return EXIT_NO_BASELINE
    return EXIT_INCONCLUSIVE if Verdict.INCONCLUSIVE in verdicts else 0


def _print(results: list[RegressionResult], missing: list[str], *, as_json: bool) -> None:
    if as_json:
        from ..storage import to_body

        document = {
            "schema_version": 1,
            "results": [to_body(result) for result in results],
            "without_baseline": missing,
        }
        click.echo(json.dumps(document, indent=1))
        return
    from ..regression.advice import percent

    for result in results:
        click.echo(
            f"{result.operation_name}: {result.verdict} ({percent(result.change_ratio)}, "
            f"{percent(result.change_low)} to {percent(result.change_high)}; slower by more than "
            f"{result.min_effect_ratio:.0%} with {result.confidence_score:.1%})"
        )
        for text in (*result.recommendations, *result.notes):
            click.echo(f"  {text}")
    for name in missing:
        click.echo(f"{name}: no baseline")
    regressed = sum(result.has_regression for result in results)
    inconclusive = sum(result.verdict == "inconclusive" for result in results)
    click.echo(
        f"{len(results)} compared, {regressed} regressed, {inconclusive} inconclusive, "
        f"{len(missing)} without baseline"
    )
    if results:
        click.echo(results[0].calibration)
