"""What a finished session shows: one kind of finding, one file; ``rules.discover`` finds them."""

from ._looking import findings

__all__ = ["findings"]
