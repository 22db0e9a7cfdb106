"""The table of rules."""

from __future__ import annotations

import re

from genesis_performance.emulator.monitoring.rules import DOCUMENTED, ISSUE_TEXT, RULES, UNVERIFIED


def test_every_rule_has_an_id_of_its_own():
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(re.fullmatch(r"[a-z]+/[a-z0-9-]+", rule.id) for rule in RULES)


def test_every_rule_says_where_it_is_known_from():
    for rule in RULES:
        assert rule.text
        assert rule.source
        assert rule.kind in {DOCUMENTED, ISSUE_TEXT, UNVERIFIED}


def test_what_an_issue_said_names_the_issue():
    assert all("#" in rule.source or "/" in rule.source for rule in RULES if rule.kind == ISSUE_TEXT)
