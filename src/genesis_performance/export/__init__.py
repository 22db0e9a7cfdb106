"""Metric buffer, redaction, series, sinks, and the exporter that runs in the background."""

from .at_end import flush_all, flush_at_sigterm
from .redaction import redact, redact_value

__all__ = ["flush_all", "flush_at_sigterm", "redact", "redact_value"]
