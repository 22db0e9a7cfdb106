"""Names without digits: ours takes numbers in a name or a path for ids, and makes one series of them all."""

from __future__ import annotations

LETTERS = "bcdfghjklmnpqrstvwxz"


def word(number: int) -> str:
    """Another word for each number."""
    letters = ""
    for _ in range(4):
        number, place = divmod(number, len(LETTERS))
        letters += LETTERS[place]
    return letters
