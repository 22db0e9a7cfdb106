"""``genesis-perf emulator``: serve a local Google Cloud; ``emulator verify``: is the real one like it?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InvalidInputError

if TYPE_CHECKING:
    from ..emulator.fidelity import Report

EXIT_DIFFERS = 1
PORT = click.IntRange(0, 65535)
FILE = click.Path(dir_okay=False, path_type=Path)


@click.group(
    "emulator", invoke_without_command=True, help="Serve a local Google Cloud to the official clients."
)
@click.option("--port", type=PORT, default=0, help="gRPC port; 0, the default, picks a free one.")
@click.option("--http-port", type=PORT, default=0, help="HTTP port; 0, the default, picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--state", type=FILE, help="Keep what is stored in this file between two runs.")
@click.option("--seed", type=int, default=0, help="Seed of faults with a probability.")
@click.option(
    "--descriptor-delay",
    type=click.FloatRange(0, 3600),
    default=0.0,
    metavar="SECONDS",
    help="How long alert policies do not see a new metric descriptor.",
)
@click.pass_context
def command(
    context: click.Context,
    *,
    port: int,
    http_port: int,
    host: str,
    state: Path | None,
    seed: int,
    descriptor_delay: float,
) -> None:
    if context.invoked_subcommand is not None:
        return
    from ..emulator.dependencies import check

    check()
    from ..emulator.cloud import Settings
    from ..emulator.process import serve_until_stopped

    settings = Settings(seed=seed, descriptor_delay_s=descriptor_delay)
    serve_until_stopped(host=host, port=port, http_port=http_port, state=state, settings=settings)


@command.command("verify")
@click.option("--project", metavar="ID", help="The real project to check; it needs credentials and --yes.")
@click.option("--local", is_flag=True, help="Check a fresh emulator instead.")
@click.option("--yes", is_flag=True, help="Yes, create resources in that project, for moments.")
@click.option("--max-cost-usd", type=click.FloatRange(0.01, 100), default=1.0, show_default=True)
@click.option("--output", type=FILE, default=Path("fidelity-transcript.json"), show_default=True)
@click.pass_context
def verify(
    context: click.Context, *, project: str | None, local: bool, yes: bool, max_cost_usd: float, output: Path
) -> None:
    """Check that Google Cloud, or the emulator, behaves as the emulator's rules say.

    Makes a few secrets, metrics, disabled alert policies, a channel, a dashboard and an objective whose names
    begin with "genesis-verify-", and removes them. Writes what was called and answered, without project,
    numbers and addresses, to a JSON file.
    """
    from ..emulator.dependencies import check

    check()
    from ..emulator.verification import verify_emulator, verify_project

    if (project is None) == (not local):
        raise click.UsageError("say either --project ID or --local")
    if project is not None and not yes:
        raise click.UsageError(
            f"this creates and removes resources in {project}. It should cost less than 0.01 USD; no step "
            f"starts that could bring it to {max_cost_usd} USD. Repeat it with --yes."
        )
    report = verify_emulator() if project is None else verify_project(project, max_cost_usd)
    _write(report, output)
    for outcome in report.outcomes:
        click.echo(f"{outcome.result:8} {outcome.check}  {outcome.reason}".rstrip())
        for left in outcome.left_behind:
            click.echo(f"         could not be removed: {left}")
    held = sum(outcome.result == "holds" for outcome in report.outcomes)
    click.echo(f"{held} of {len(report.outcomes)} hold on {report.target}; transcript: {output}")
    if report.differing:
        context.exit(EXIT_DIFFERS)


def _write(report: Report, output: Path) -> None:
    import json

    try:
        output.write_text(json.dumps(report.as_json(), indent=1) + "\n", "utf-8")
    except OSError as error:
        raise InvalidInputError(
            f"the transcript can not be written to {output}: {error.strerror}; choose another with --output"
        ) from error
