"""What ``spawn_emulator`` starts; people use ``genesis-perf emulator``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ..errors import GenesisPerformanceError
from .process import serve_until_stopped

arguments = json.loads(sys.argv[1])
state = arguments.pop("state", None)
try:
    serve_until_stopped(**arguments, state=Path(state) if state else None, ends_with_stdin=True)
except GenesisPerformanceError as error:
    sys.exit(str(error))
