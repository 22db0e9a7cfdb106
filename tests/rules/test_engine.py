"""The rule engine: rules are found, chosen and run, and one that fails stops nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.errors import InvalidInputError, UnknownNameError
from genesis_performance.model.advice import Finding, OptimizationRecommendation, Severity
from genesis_performance.rules import Rule, discover, run_rules, select, stable_id


@dataclass(frozen=True)
class Facts:
    temperature: float | None = None


def _finding(rule: str) -> Finding:
    return Finding(rule=rule, severity=Severity.INFO, resource="r", title="t", reason="because")


def _hot(facts: Facts) -> Iterator[Finding]:
    if facts.temperature is not None and facts.temperature > 30:
        yield _finding("test/hot")


def _broken(facts: Facts) -> Iterator[Finding]:
    yield _finding("test/broken")
    raise ZeroDivisionError("no")


HOT = Rule(
    id="test/hot", title="Hot", severity=Severity.WARNING, check=_hot, needs=frozenset({"temperature"})
)
BROKEN = Rule(id="test/broken", title="Broken", severity=Severity.WARNING, check=_broken)


def test_a_rule_that_raises_is_skipped_with_a_reason_and_the_others_run() -> None:
    report = run_rules([BROKEN, HOT], Facts(31.0))
    assert [f.rule for f in report.findings] == ["test/hot"]
    assert report.examined == ("test/hot",)
    assert [(s.rule, s.reason) for s in report.skipped] == [("test/broken", "ZeroDivisionError: no")]


def test_a_rule_without_its_facts_is_skipped_and_not_clean() -> None:
    report = run_rules([HOT], Facts())
    assert report.examined == ()
    assert report.skipped[0].reason == "needs temperature"


def test_findings_of_a_recommendation_are_in_the_report_and_its_id_counts_once() -> None:
    advice = OptimizationRecommendation(
        id="x",
        rule="test/a",
        title="t",
        description="d",
        resource="r",
        effort_hours=1,
        findings=(_finding("test/a"),),
    )
    rule = Rule[Facts](id="test/a", title="A", severity=Severity.INFO, check=lambda _facts: [advice, advice])
    report = run_rules([rule], Facts())
    assert report.recommendations == (advice,)
    assert len(report.findings) == 1


def test_rules_are_selected_by_pattern() -> None:
    assert select([HOT, BROKEN], ["test/h*"]) == (HOT,)
    assert select([HOT, BROKEN], ["test/*", "test/hot"]) == (HOT, BROKEN)


def test_a_pattern_that_matches_nothing_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match=r"'tset/\*'; known are test/hot"):
        select([HOT], ["tset/*"])


@pytest.mark.parametrize("identity", ["hot", "Test/Hot", "test/", "test/hot rule", ""])
def test_a_rule_id_names_part_and_rule(identity: str) -> None:
    with pytest.raises(InvalidInputError, match="must look like"):
        Rule(id=identity, title="t", severity=Severity.INFO, check=_hot)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "rules_under_test"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.startswith("rules_under_test")]:
        del sys.modules[name]


RULE_FILE = '''"""Nothing is ever hot."""
from genesis_performance.model.advice import Severity
from genesis_performance.rules import Rule
def check(facts):
    return ()
RULE = Rule(id="test/{name}", title="T", severity=Severity.INFO, check=check)
'''


def test_every_module_of_a_package_is_a_rule(package: Path) -> None:
    (package / "two.py").write_text(RULE_FILE.format(name="two"))
    (package / "one.py").write_text(RULE_FILE.format(name="one"))
    (package / "_shared.py").write_text("")
    rules = discover("rules_under_test")
    assert [rule.id for rule in rules] == ["test/one", "test/two"]
    assert rules[0].good_state == "Nothing is ever hot."


def test_a_module_without_a_rule_is_an_error(package: Path) -> None:
    (package / "empty.py").write_text("")
    with pytest.raises(InvalidInputError, match=r"rules_under_test\.empty must define RULE"):
        discover("rules_under_test")


def test_two_rules_with_one_id_are_an_error(package: Path) -> None:
    (package / "one.py").write_text(RULE_FILE.format(name="same"))
    (package / "two.py").write_text(RULE_FILE.format(name="same"))
    with pytest.raises(InvalidInputError, match="two rules are called 'test/same'"):
        discover("rules_under_test")


@given(st.text(), st.text(), st.text())
def test_the_same_advice_has_the_same_id_and_another_resource_another_one(a: str, b: str, c: str) -> None:
    assert stable_id("test/hot", a, b) == stable_id("test/hot", a, b)
    if (a, b) != (b, c):
        assert stable_id("test/hot", a, b) != stable_id("test/hot", b, c)
