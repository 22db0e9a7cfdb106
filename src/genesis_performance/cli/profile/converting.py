"""``genesis-perf profile export`` and ``upload``: sessions for other tools."""

from __future__ import annotations

import click

from ...errors import NoDataError
from ...render.stack_formats import FORMATS
from .sources import clock_option, operation_option, read_source, source_argument, thread_option, write_output


@click.command("export")
@source_argument
@click.option("--format", "name", type=click.Choice(sorted(FORMATS)), required=True, help="What to write.")
@clock_option
@operation_option
@thread_option
@click.option("-o", "output", required=True, metavar="OUT", help="A file, or - for standard output.")
def export(
    source: str, *, name: str, clock: str | None, operation: str | None, thread: str | None, output: str
) -> None:
    """Write stacks in a format of other tools; formats with several columns hold every clock.

    collapsed has one line a stack with whole microseconds of --clock, cpu by default. FILE is what
    "profile view" takes.
    """
    given = read_source(source)
    chosen = clock or "cpu"
    made = FORMATS[name]
    stacks = given.of(chosen, operation, thread)
    write_output(output, made.render(stacks, chosen, title=given.name, report=given.report))


@click.command("upload")
@source_argument
@click.option("--project", metavar="ID", help="Project; by default the configured one.")
def upload(source: str, project: str | None) -> None:
    """Send a session to Cloud Profiler."""
    from ...config import settings
    from ...profiler.upload import upload as send

    given = read_source(source)
    if given.report is None:
        raise NoDataError(f"{given.name} is no session; only what genesis-perf recorded can be uploaded")
    sent = send(given.report, settings().profiler, project_id=project)
    for each in sent:
        click.echo(f"{each.profile_type}: {each.name} ({each.size_bytes:,} bytes)")
    if not sent:
        raise NoDataError("nothing was sent: there is no project; give --project or set GOOGLE_CLOUD_PROJECT")
