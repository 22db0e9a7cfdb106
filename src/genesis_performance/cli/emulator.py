"""``genesis-perf emulator``: serve a local Google Cloud; ``emulator verify``: check it with the real one."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(
    "emulator", invoke_without_command=True, help="Serve a local Google Cloud to the official clients."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="gRPC port; 0 picks a free one.")
@click.option("--http-port", type=click.IntRange(0, 65535), default=0, help="HTTP port; 0 picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="Keep secrets in this file.")
@click.option("--seed", type=int, default=0, help="Seed of faults with a probability.")
@click.option(
    "--descriptor-delay",
    type=click.FloatRange(0),
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
    from ..emulator.cloud import Settings
    from ..emulator.process import serve_until_stopped
    from ..errors import EmulatorError

    try:
        serve_until_stopped(
            host=host,
            port=port,
            http_port=http_port,
            state=state,
            settings=Settings(seed=seed, descriptor_delay_s=descriptor_delay),
        )
    except EmulatorError as error:
        click.echo(f"genesis-perf emulator: {error}", err=True)
        context.exit(2)
