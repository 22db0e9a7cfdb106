"""The checks that ``genesis-perf emulator verify`` makes of a real project, made of the emulator."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from google.cloud import secretmanager_v1

from genesis_performance.cli.emulator import command
from genesis_performance.emulator import fidelity, rules
from genesis_performance.emulator.fidelity.check import Check, DiffersError, OverBudgetError, Site, check
from genesis_performance.errors import EmulatorError, InvalidInputError


@pytest.fixture
def site(connect):
    return Site("shop-4711", connect)


@pytest.mark.parametrize("each", fidelity.discover(), ids=lambda each: each.id)
def test_the_emulator_passes(site, each):
    (outcome,) = fidelity.run(site, "emulator", [each]).outcomes
    assert (outcome.result, outcome.reason, outcome.left_behind) == ("holds", "", ())


@pytest.mark.parametrize("each", fidelity.discover(), ids=lambda each: each.id)
def test_a_check_names_rules_that_exist(each):
    assert each.rules
    assert set(each.rules) <= set(rules.BY_ID)


def test_nothing_is_left_behind(genesis_emulator, site):
    fidelity.run(site, "emulator")
    held = {
        name: service.dump()
        for name, service in genesis_emulator.cloud.services.items()
        if hasattr(service, "dump")
    }
    assert "genesis-verify-" not in str(held)
    assert "67656e657369732d766572696679" not in str(held)  # the same in hexadecimal


def test_another_answer_than_expected_differs(genesis_emulator, site):
    genesis_emulator.fail("AccessSecretVersion", "NOT_FOUND", times=None)
    report = fidelity.run(site, "emulator")
    assert "secret-manager/latest-may-be-disabled" in [outcome.check for outcome in report.differing]


def test_a_missing_permission_skips_and_is_no_difference(genesis_emulator, site):
    genesis_emulator.fail("CreateSecret", "PERMISSION_DENIED", times=None)
    report = fidelity.run(site, "emulator")
    skipped = [outcome.check for outcome in report.outcomes if outcome.result == "skipped"]
    assert len(skipped) >= 9
    assert report.differing == []


def test_what_cannot_be_removed_is_told(genesis_emulator, site):
    genesis_emulator.fail("DeleteSecret", "PERMISSION_DENIED", times=1)
    report = fidelity.run(site, "emulator")
    (left,) = [text for outcome in report.outcomes for text in outcome.left_behind]
    assert "PERMISSION_DENIED" in left


def test_a_call_that_was_expected_to_fail_and_did_not_differs(site):
    client = site.client(secretmanager_v1.SecretManagerServiceClient)
    with pytest.raises(DiffersError, match="but the call succeeded"):
        site.refused("NOT_FOUND", "", client.list_secrets, parent=site.parent)


def test_no_step_starts_that_could_cost_too_much(site):
    @check("secret/payload")
    def expensive(site: Site) -> None:
        """Costs too much."""
        site.call(lambda: None, may_cost_usd=2.0)

    assert isinstance(expensive, Check)
    (outcome,) = fidelity.run(site, "emulator", [expensive]).outcomes
    assert outcome.result == "skipped"
    assert "exceed 1.0 USD" in outcome.reason
    with pytest.raises(OverBudgetError):
        site.call(lambda: None)


def test_a_transcript_holds_nothing_personal(site):
    text = "projects/shop-4711/secrets/x projects/123456789012 a.b@example.com 0A1B2C-000000-FFFFFF"
    assert site.redacted(text) == "projects/PROJECT/secrets/x projects/NUMBER EMAIL ACCOUNT"
    report = json.dumps(fidelity.run(site, "emulator").as_json())
    assert "shop-4711" not in report
    assert "PROJECT" in report


def _verify(*arguments):
    return CliRunner().invoke(command, ["verify", *map(str, arguments)])


def test_verify_on_the_command_line_writes_the_transcript(tmp_path):
    ran = _verify("--local", "--output", tmp_path / "t.json")
    assert ran.exit_code == 0, ran.output
    report = json.loads((tmp_path / "t.json").read_text())
    assert report["target"] == "emulator"
    assert {outcome["result"] for outcome in report["outcomes"]} == {"holds"}
    assert f"{len(report['outcomes'])} of {len(report['outcomes'])} hold" in ran.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "either --project ID or --local"),
        (("--local", "--project", "p"), "either --project ID or --local"),
        (("--project", "p"), "Repeat it with --yes"),
    ],
)
def test_verify_refuses_what_is_not_clear(arguments, complaint):
    ran = _verify(*arguments)
    assert ran.exit_code == 2
    assert complaint in " ".join(ran.output.split())


def test_a_transcript_that_can_not_be_written_is_told_in_words():
    ran = _verify("--local", "--output", "/nowhere/at/all.json")
    assert isinstance(ran.exception, InvalidInputError)
    assert "can not be written" in str(ran.exception)


def test_verify_of_a_project_without_credentials_says_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    ran = _verify("--project", "p", "--yes")
    assert isinstance(ran.exception, EmulatorError)
    assert "gcloud auth application-default login" in str(ran.exception)
