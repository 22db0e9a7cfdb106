from __future__ import annotations

import re
from pathlib import Path

from genesis_performance.emulator.rules import DOCUMENTED, ISSUE_TEXT, RULES, UNVERIFIED

GUIDE = Path(__file__).parents[2] / "docs" / "emulator.md"


def test_ids_are_unique():
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z]+/[a-z0-9-]+", each) for each in ids)


def test_every_rule_has_a_source_and_a_kind():
    assert all(
        rule.text and rule.source and rule.kind in {DOCUMENTED, ISSUE_TEXT, UNVERIFIED} for rule in RULES
    )


def test_the_page_of_rules_has_every_rule_with_its_kind():
    page = (GUIDE.parent / "emulator-rules.md").read_text("utf-8")
    for rule in RULES:
        assert re.search(rf"^\| `{rule.id}` \|.*\| {rule.kind} \|$", page, re.MULTILINE), (
            f"{rule.id}: ./run docs"
        )


def test_the_guide_names_every_service():
    from genesis_performance.emulator.cloud import Cloud

    text = GUIDE.read_text("utf-8")
    assert [name for name in Cloud().services if name not in text] == []
