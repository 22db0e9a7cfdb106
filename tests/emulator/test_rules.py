from __future__ import annotations

import re
from pathlib import Path

from genesis_performance.emulator.rules import DOCUMENTED, ISSUE_TEXT, RULES, UNVERIFIED, as_markdown

GUIDE = Path(__file__).parents[2] / "docs" / "emulator.md"


def test_ids_are_unique():
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z]+/[a-z0-9-]+", each) for each in ids)


def test_every_rule_has_a_source_and_a_kind():
    assert all(
        rule.text and rule.source and rule.kind in {DOCUMENTED, ISSUE_TEXT, UNVERIFIED} for rule in RULES
    )


def test_the_guide_holds_the_table_as_it_is():
    assert as_markdown() in GUIDE.read_text("utf-8"), (
        "replace the table in docs/emulator.md by rules.as_markdown()"
    )


def test_the_guide_names_every_service():
    from genesis_performance.emulator.cloud import Cloud

    text = GUIDE.read_text("utf-8")
    assert [name for name in Cloud().services if name not in text] == []
