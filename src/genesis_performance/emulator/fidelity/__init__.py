"""Checks that official clients make of the emulator and, on request, of the real Google Cloud."""

from .running import Outcome, Report, discover, run

__all__ = ["Outcome", "Report", "discover", "run"]
