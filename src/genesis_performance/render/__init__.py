"""Output formats: what people and other tools read."""

from .json import to_json
from .report import Report, render_report

__all__ = ["Report", "render_report", "to_json"]
