"""The recorder, the current operation and the process-wide registry."""

from .current import current_operation, note_call
from .execution import Execution, NullExecution
from .recorder import Recorder
from .registry import recorders, register
from .steps import recorded

__all__ = [
    "Execution",
    "NullExecution",
    "Recorder",
    "current_operation",
    "note_call",
    "recorded",
    "recorders",
    "register",
]
