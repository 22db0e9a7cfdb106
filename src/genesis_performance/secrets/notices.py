"""Notices of changes: which of the cached versions one is about.

Source: https://cloud.google.com/secret-manager/docs/event-notifications
"""

from __future__ import annotations

from collections.abc import Callable

from .entry import Slot

WITHOUT_CHANGE = frozenset({"TOPIC_CONFIGURED", "SECRET_ROTATE"})
"""A topic was set up; a rotation is due, and will announce its version when it is made."""


def concerned(resource: str, version: str = "") -> Callable[[Slot], bool]:
    """Which slots a change of ``resource`` is about.

    With a version only that one, and those such as ``latest`` that may stand for another one now.

    Args:
        resource: ``projects/P[/locations/L]/secrets/S``, with the project's number or id, and perhaps
            ``/versions/N`` after it.
        version: the number, or the version's resource name.
    """
    secret, _, inside = resource.partition("/versions/")
    number = version.rpartition("/")[2] or inside

    def concerns(slot: Slot) -> bool:
        if secret not in (slot.name.parent, slot.seen_parent):
            return False
        pinned = slot.name.version.isdigit()
        return not (pinned and number and slot.name.version != number)

    return concerns
