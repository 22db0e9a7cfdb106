"""Every rule of every part fires on its case and keeps quiet on the other.

Rules are found, not listed. The case of ``genesis_performance/<part>/rules/<name>.py`` is
``cases/<part>/<name>.py`` beside this file, with two facts: ``FIRES`` and ``QUIET``.
"""

from __future__ import annotations

import importlib.util
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import genesis_performance
from genesis_performance.model.advice import Finding, OptimizationRecommendation
from genesis_performance.rules import Rule, discover, run_rules

CASES = Path(__file__).parent / "cases"


def _parts() -> list[str]:
    found = []
    for part in pkgutil.iter_modules(genesis_performance.__path__):
        package = f"genesis_performance.{part.name}.rules"
        spec = importlib.util.find_spec(package) if part.ispkg else None
        if (
            spec is not None and spec.submodule_search_locations is not None
        ):  # a folder, not the emulator's table
            found.append(package)
    return found


RULES = [rule for package in _parts() for rule in discover(package)]


def _case(rule: Rule[Any]) -> ModuleType:
    _, part, _, name = rule.check.__module__.split(".")
    path = CASES / part / f"{name}.py"
    assert path.is_file(), f"{rule.id} has no case: write tests/rules/{path.relative_to(CASES.parent)}"
    spec = importlib.util.spec_from_file_location(f"case_{part}_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rules_are_found() -> None:
    assert {rule.id.partition("/")[0] for rule in RULES} >= {"optimizer", "cost"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_it_fires_on_its_case_with_evidence_and_a_formula(rule: Rule[Any]) -> None:
    report = run_rules([rule], _case(rule).FIRES)
    assert not report.skipped
    assert report.findings
    for finding in report.findings:
        _is_complete(finding, rule)
    for advice in report.recommendations:
        _is_complete_advice(advice, rule)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_it_keeps_quiet_on_a_good_state(rule: Rule[Any]) -> None:
    report = run_rules([rule], _case(rule).QUIET)
    assert not report.skipped
    assert not report.findings
    assert not report.recommendations


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_it_says_what_is_good_and_where_that_is_written(rule: Rule[Any]) -> None:
    assert rule.good_state.endswith(".")
    assert rule.source.startswith("https://")
    assert rule.title


def _is_complete(finding: Finding, rule: Rule[Any]) -> None:
    assert finding.rule == rule.id
    assert finding.resource
    assert any(character.isdigit() for character in finding.reason), "the reason holds the measured values"
    assert finding.evidence
    for evidence in finding.evidence:
        assert evidence.source, f"{evidence.name} does not say where it was measured"


def _is_complete_advice(advice: OptimizationRecommendation, rule: Rule[Any]) -> None:
    assert advice.rule == rule.id
    assert advice.id.startswith(rule.id.replace("/", "-"))
    assert advice.effort_hours > 0
    assert advice.steps
    assert advice.findings
    if advice.latency_gain_ms is not None:
        low, expected, high = advice.latency_gain_ms
        assert 0 <= low <= expected <= high
    if advice.saving is not None:
        assert advice.saving.low <= advice.saving.expected <= advice.saving.high
        assert "=" in advice.saving.formula
        assert advice.saving.basis
