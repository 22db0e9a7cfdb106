"""The rule engine that optimizer, cost and secrets share: one rule, one file."""

from .discovery import discover, select
from .engine import RuleReport, Skipped, run_rules
from .identity import stable_id
from .rule import Advice, Rule

__all__ = ["Advice", "Rule", "RuleReport", "Skipped", "discover", "run_rules", "select", "stable_id"]
