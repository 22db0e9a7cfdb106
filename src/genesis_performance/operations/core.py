"""Which recorder this process uses: the compiled one, or the one written in Python.

Both have the same names, record the same figures and pass the same tests. The compiled one is used where
it was built and ``GENESIS_PERF_PURE_PYTHON`` does not say otherwise.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ..config.core_choice import PURE_PYTHON
from . import current, tracking

if TYPE_CHECKING:
    from .cell import Cell
    from .pure import RecorderCore
    from .stepped import Steps, coroutine_function, plain_function

CORE = "pure"
if not TYPE_CHECKING:
    try:
        if PURE_PYTHON:
            raise ImportError("switched off by GENESIS_PERF_PURE_PYTHON")
        _core = import_module("genesis_performance.operations._core")
        Cell, RecorderCore, Steps = _core.Cell, _core.RecorderCore, _core.Steps
        coroutine_function, plain_function = _core.coroutine_function, _core.plain_function
        CORE = "compiled"
        current.current_execution = _core.current_execution
        current.noting_execution = _core.noting_execution
        tracking.use_core(_core)
    except ImportError:
        from .cell import Cell
        from .execution import current_execution
        from .pure import RecorderCore
        from .stepped import Steps, coroutine_function, plain_function

        current.current_execution = current.noting_execution = current_execution

__all__ = ["CORE", "Cell", "RecorderCore", "Steps", "coroutine_function", "plain_function"]
