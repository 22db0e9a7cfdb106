"""Ids that stay: the same advice on the same resource is the same recommendation next month."""

from __future__ import annotations

import hashlib


def stable_id(rule: str, *resource: str) -> str:
    """Id of what ``rule`` says about a resource, readable and unique: ``cost-waste-1f8a90c2d3e4``."""
    digest = hashlib.sha256("\x1f".join((rule, *resource)).encode()).hexdigest()[:12]
    return f"{rule.replace('/', '-')}-{digest}"
