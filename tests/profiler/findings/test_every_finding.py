"""What holds for every kind of finding."""

from pathlib import Path

import pytest

from genesis_performance.config.profiler import ProfilerConfig
from genesis_performance.profiler import findings as package
from genesis_performance.profiler.findings import cpu, findings
from genesis_performance.rules import discover

RULES = discover(package.__name__)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_says_what_a_good_state_is(rule) -> None:  # type: ignore[no-untyped-def]
    assert rule.good_state.endswith(".")
    assert rule.id.startswith("profiler/")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_has_a_test_in_this_folder(rule) -> None:  # type: ignore[no-untyped-def]
    here = Path(__file__)
    tests = [path.read_text(encoding="utf-8") for path in here.parent.glob("test_*.py") if path != here]
    assert any(f'"{rule.id}"' in text for text in tests)


def test_an_empty_session_has_no_findings(sessions) -> None:  # type: ignore[no-untyped-def]
    assert findings(ProfilerConfig(), sessions.report()) == ()


def test_a_rule_that_fails_costs_only_its_own_findings(
    sessions, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:  # type: ignore[no-untyped-def]
    def fails(*_: object) -> float:
        raise ZeroDivisionError("broken")

    monkeypatch.setattr(cpu, "_mean_over_time", fails)
    report = sessions.report(resources=sessions.resources((1000 * 2**20,) * 5))
    assert [finding.rule for finding in findings(ProfilerConfig(), report)] == ["profiler/memory"]
    assert "profiler/cpu could not be looked for: ZeroDivisionError: broken" in caplog.text
