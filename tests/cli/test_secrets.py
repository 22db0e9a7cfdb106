"""``genesis-perf secrets`` against the emulator: what is said, what is advised, and what is never printed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from genesis_performance import config, gcp
from genesis_performance.cli.secrets import command
from genesis_performance.secrets import OptimizedSecretManager

ACCESS = "google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion"
PAYLOAD = b"canary-hunter2"


@pytest.fixture
def emulator(genesis_emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "shop")
    config.reset()
    put("db", versions=12, disabled=(1, 2))
    put("api-key")
    yield genesis_emulator
    gcp.close_all()
    config.reset()


def put(secret: str, versions: int = 1, disabled: tuple[int, ...] = ()) -> None:
    parent = f"projects/shop/secrets/{secret}"
    request = {"parent": "projects/shop", "secret_id": secret, "secret": {"replication": {"automatic": {}}}}
    gcp.call("secret_manager", "create_secret", request)
    for _ in range(versions):
        gcp.call("secret_manager", "add_secret_version", {"parent": parent, "payload": {"data": PAYLOAD}})
    for number in disabled:
        gcp.call("secret_manager", "disable_secret_version", {"name": f"{parent}/versions/{number}"})


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert PAYLOAD.decode() not in result.output
    return result


@pytest.fixture
def measured(emulator, tmp_path):
    """The report of a process that read one of the secrets for a day."""

    class Clock:
        now = 0.0

        def __call__(self) -> float:
            return self.now

    clock = Clock()
    with OptimizedSecretManager(clock=clock) as manager:
        for _ in range(24):
            manager.get_secret_sync("db")
            clock.now += 3600.0
        path = tmp_path / "accesses.json"
        path.write_text(json.dumps(manager.get_performance_report()))
    return path


def test_a_secret_that_can_be_read_is_ok(emulator):
    result = run("check", "api-key")
    assert result.exit_code == 0
    assert "ok    projects/shop/secrets/api-key/versions/latest: version 1 can be read" in result.output


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [
        ("nope", "there is no secret 'nope'", "gcloud secrets create nope --project=shop"),
        ("api-key/versions/7", "it has no version '7'", "gcloud secrets versions list api-key"),
        ("db/versions/2", "version '2' is disabled", "versions enable 2 --secret=db --project=shop"),
    ],
)
def test_what_is_wrong_with_a_secret_is_said_with_the_command_that_helps(emulator, name, text, remedy):
    result = run("check", name)
    assert result.exit_code == 1
    assert text in result.output
    assert remedy in result.output


def test_the_number_of_a_disabled_latest_version_is_in_the_command(emulator):
    gcp.call("secret_manager", "disable_secret_version", {"name": "projects/shop/secrets/db/versions/12"})
    assert "gcloud secrets versions enable 12 --secret=db" in run("check", "db").output


def test_a_missing_permission_is_named_with_the_role_that_has_it(emulator):
    emulator.fail(ACCESS, "PERMISSION_DENIED")
    result = run("check", "db", "--json")
    assert result.exit_code == 1
    (found,) = json.loads(result.output)
    assert "secretmanager.versions.access" in found["text"]
    assert "roles/secretmanager.secretAccessor" in found["remedy"]


def test_what_is_no_name_is_an_error_of_the_call(emulator):
    result = run("check", "no name")
    assert result.exit_code == 2
    assert "is not a secret's name" in result.output


def test_warming_reads_each_secret_once(emulator):
    result = run("warm", "db", "api-key", "db")
    assert result.exit_code == 0
    assert result.output.startswith("2 secrets read in ")
    assert emulator.calls()[ACCESS] == 2


def test_warming_names_what_fails_and_reads_the_others(emulator):
    result = run("warm", "db", "nope")
    assert result.exit_code == 1
    assert result.output.startswith("1 secret read in ")
    assert "FAIL  nope: " in result.output


def test_a_report_lists_versions_and_what_they_cost(emulator):
    result = run("report")
    assert result.exit_code == 0
    assert "0.72 USD  projects/shop/secrets/db: 10 enabled, 2 disabled\n" in result.output
    assert "0.78 USD a month for 2 secrets" in result.output


def test_a_report_advises_to_destroy_disabled_versions_with_formula_and_price(emulator):
    (advice,) = json.loads(run("report", "--json").output)["recommendations"]
    assert advice["rule"] == "secrets/disabled-versions"
    assert advice["estimated_monthly_savings"] == pytest.approx(0.12)
    assert advice["formula"].startswith("cost(13 active versions x locations) - cost(11) = 0.12 USD")
    assert "cloud.google.com/secret-manager/pricing, as of 2" in advice["basis"]


def test_measured_accesses_show_what_nobody_reads(measured):
    result = run("report", "--accesses", measured)
    assert "10 enabled, 2 disabled, 24 reads by 24 calls, 8 old versions unused\n" in result.output
    assert "projects/shop/secrets/api-key: 1 enabled, not read\n" in result.output
    assert "Reads were measured in 86400 s" in result.output


def test_measured_accesses_add_the_advice_on_old_versions(measured):
    rules = {
        one["rule"]
        for one in json.loads(run("report", "--accesses", measured, "--json").output)["recommendations"]
    }
    assert {"secrets/disabled-versions", "secrets/unused-versions"} <= rules


def test_two_processes_add_up(measured):
    row = json.loads(run("report", "--accesses", measured, "--accesses", measured, "--json").output)[
        "secrets"
    ][0]
    assert row["reads"] == 48


@pytest.mark.parametrize("text", ["", "{}", "[1]", "no json"])
def test_a_file_that_is_no_report_is_refused(emulator, tmp_path, text):
    path = tmp_path / "accesses.json"
    path.write_text(text)
    result = run("report", "--accesses", path)
    assert result.exit_code == 2
    assert "genesis-perf secrets: " in result.output


def test_a_project_without_secrets_has_nothing_to_save(emulator):
    assert "Nothing to save was found." in run("report", "--project", "empty").output


def test_a_denied_list_is_one_line(emulator):
    emulator.fail(
        "google.cloud.secretmanager.v1.SecretManagerService/ListSecrets", "PERMISSION_DENIED", times=9
    )
    result = run("report")
    assert result.exit_code == 2
    assert "PERMISSION_DENIED" in result.output
