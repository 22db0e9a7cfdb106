"""Which recorder is used: read before any other setting, because importing it decides."""

from __future__ import annotations

import os

PURE_PYTHON = os.environ.get("GENESIS_PERF_PURE_PYTHON", "") not in ("", "0")
"""``GENESIS_PERF_PURE_PYTHON=1``: the recorder in Python, even where the compiled one is installed."""
