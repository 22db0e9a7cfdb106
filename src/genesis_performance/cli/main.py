"""``genesis-perf``: one command a file in this folder, found by itself and imported when it is used."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from types import ModuleType
from typing import NoReturn

from ..errors import GenesisPerformanceError

USAGE_EXIT = 2

try:
    import click
except ImportError:  # pragma: no cover - shown to people who installed the base package alone
    print("genesis-perf needs click and rich. Run: pip install 'genesis-performance[cli]'", file=sys.stderr)
    raise SystemExit(USAGE_EXIT) from None


class _Commands(click.Group):
    """The commands of this folder."""

    def list_commands(self, context: click.Context) -> list[str]:
        package = importlib.import_module(__package__ or "")
        return sorted(
            module.name.replace("_", "-")
            for module in pkgutil.iter_modules(package.__path__)
            if module.name != "main" and not module.name.startswith("_")
        )

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(context):
            return None
        module: ModuleType = importlib.import_module(f".{name.replace('-', '_')}", __package__)
        command: click.Command = module.command
        return command


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from .. import __version__

        click.echo(f"genesis-perf {__version__}")
        context.exit()


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version)
def command() -> None:
    """Measure, explain and pay less: performance and cost of Python backends on Google Cloud."""


def main() -> None:
    """Run the command line; an error of ours or of its use is one line on stderr and exit code 2."""
    try:
        code = command.main(prog_name="genesis-perf", standalone_mode=False)
    except GenesisPerformanceError as error:
        _fail(str(error))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        raise SystemExit(USAGE_EXIT) from None
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        hint = f" (see {context.command_path} --help)" if context else ""
        _fail(error.format_message().rstrip(".") + hint, error.exit_code)
    except click.Abort:
        _fail("stopped", 1)
    except BrokenPipeError:  # the reader of our output went away: nothing to tell
        sys.stderr.close()
    else:
        raise SystemExit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int = USAGE_EXIT) -> NoReturn:
    click.echo(f"genesis-perf: {' '.join(message.split())}", err=True)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
