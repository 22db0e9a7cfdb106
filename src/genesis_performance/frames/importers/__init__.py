"""Files of other tools as stacks: one format a module, found by itself."""

from .reading import formats, read_stacks

__all__ = ["formats", "read_stacks"]
