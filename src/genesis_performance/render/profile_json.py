"""Stacks as JSON of our own: every column, thread and operation; our importer reads it back."""

from __future__ import annotations

from typing import Any

from ..model.stacks import StackProfile
from .json import to_json


def profile_json(profile: StackProfile, clock: str = "cpu", **_: Any) -> str:
    """The whole profile, with the frames once and stacks as indices into them.

    ``clock`` chooses nothing here: all columns are written.
    """
    return to_json(profile, indent=None)
