"""The recorder, the current operation and the process-wide registry."""

from .core import CORE
from .current import current_operation, note_call
from .decorated import recorded
from .execution import Execution, NullExecution
from .recorder import Recorder
from .registry import recorders, register, stop_using, use_memory

__all__ = [
    "CORE",
    "Execution",
    "NullExecution",
    "Recorder",
    "current_operation",
    "note_call",
    "recorded",
    "recorders",
    "register",
    "stop_using",
    "use_memory",
]
