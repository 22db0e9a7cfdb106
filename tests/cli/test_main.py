"""The command line as a whole: commands are found, errors are one line, settings can be seen."""

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from genesis_performance import cli
from genesis_performance.cli.main import command

NAMES = sorted(
    module.name
    for module in pkgutil.iter_modules(cli.__path__)
    if module.name != "main" and not module.name.startswith("_")  # what several commands share
)


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "genesis_performance.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )  # type: ignore[call-overload]


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_the_folder_is_a_command_with_help(name: str) -> None:
    done = CliRunner().invoke(command, [name, "--help"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("Usage:")


def test_help_lists_every_command() -> None:
    shown = CliRunner().invoke(command, ["--help"]).output
    assert [name for name in NAMES if name.replace("_", "-") not in shown] == []


def test_an_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(command, ["nothing"]).exit_code == 2


def test_the_version_is_the_package_s() -> None:
    from genesis_performance import __version__

    assert CliRunner().invoke(command, ["--version"]).output == f"genesis-perf {__version__}\n"


def test_an_error_of_ours_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "performance_config.yaml").write_text("profiler: {cpus: never}")
    done = run("config", "show", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "did you mean 'cpu'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], ["No such command 'nothing'", "see genesis-perf --help"]),
        (["emulator", "--port", "99999"], ["'--port'", "99999", "65535", "see genesis-perf emulator --help"]),
        (["cost", "budget"], ["Missing option '--service'", "see genesis-perf cost budget --help"]),
        (["regress", "check", "nowhere.json"], ["there is no file nowhere.json"]),
    ],
)
def test_a_wrong_use_is_one_line_and_exit_code_2(arguments: list[str], words: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert [word for word in words if word not in done.stderr] == []


def test_without_a_command_the_help_is_shown_and_the_exit_code_is_2() -> None:
    done = run()
    assert done.returncode == 2
    assert "Commands:" in done.stderr


def test_the_exit_code_of_a_command_reaches_the_shell(tmp_path: Path) -> None:
    (tmp_path / "performance_config.yaml").write_text("profiler: {cpus: never}")
    assert run("doctor", cwd=tmp_path).returncode == 1


def test_config_show_tells_where_a_value_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENESIS_PERF__MONITORING__BUFFER_DIR", raising=False)
    monkeypatch.setenv("SECRET_CACHE_TTL", "7")
    shown = CliRunner().invoke(command, ["config", "show", "--changed"]).output
    assert shown.split() == ["secret_manager.cache_ttl_s", "7.0", "$SECRET_CACHE_TTL"]


def test_config_show_as_json_holds_every_setting() -> None:
    shown = json.loads(CliRunner().invoke(command, ["config", "show", "--json"]).output)
    settings = {row["setting"]: row for row in shown["settings"]}
    assert settings["profiler.cpu"] == {"setting": "profiler.cpu", "value": "sampled", "origin": "default"}
    assert len(settings) > 40


def test_config_show_without_changes_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENESIS_PERF__MONITORING__BUFFER_DIR", raising=False)
    assert (
        CliRunner().invoke(command, ["config", "show", "--changed"]).output
        == "every setting is the default\n"
    )


def test_config_show_says_that_keys_are_set_and_not_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hidden")
    shown = CliRunner().invoke(command, ["config", "show", "--changed"]).output
    assert "hidden" not in shown
    assert "otlp.headers" in shown
