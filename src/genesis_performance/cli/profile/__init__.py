"""``genesis-perf profile``: run a program under the profiler, look at sessions, compare and convert them."""

from .group import command

__all__ = ["command"]
