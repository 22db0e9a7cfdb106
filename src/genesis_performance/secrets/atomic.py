"""A batch of one moment: no secret of it older than the rotation that another one already shows.

Secret Manager has no transactions and no batch read. What can be had is a moment that all reads agree on:
each value was there from the end of the first read that brought its version until its last read was sent,
and the batch is whole when these spans have a moment in common. Those that end too soon are read again.

Versions only move forward here: one that was disabled and enabled again between two reads is not noticed.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import CloudConflictError
from .entry import Entry
from .flights import Outcome

PASSES = 5


def too_old(outcomes: Mapping[str, Outcome]) -> tuple[list[str], int]:
    """Names to read again, and the tick since when; none when all values were there at one moment.

    None as well when something failed: the batch fails as a whole.
    """
    entries = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Entry)}
    if len(entries) < len(outcomes) or len(entries) < 2:
        return [], 0
    newest = max(entry.since for entry in entries.values())
    return [name for name, entry in entries.items() if entry.asked < newest], newest


def never_still(names: list[str]) -> CloudConflictError:
    return CloudConflictError(
        f"ABORTED: these secrets changed while they were read, {PASSES} times in a row: "
        f"{', '.join(names)}; read them again when the rotation is over, or pin their versions",
        code="ABORTED",
    )
