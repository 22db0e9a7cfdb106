"""Pure functions over sampled stacks: tree, processors, differential, importers."""

from .columns import clock_column, column_index, totals
from .differential import difference
from .functions import by_function, libraries_grouped, recursion_collapsed
from .merging import merged, reweighted
from .pruning import pruned
from .selection import (
    columns_only,
    of_operation,
    of_thread,
    operation_weights,
    thread_weights,
    without_threads,
)
from .self_time import FunctionTime, self_times
from .tree import Node, walk

__all__ = [
    "FunctionTime",
    "Node",
    "by_function",
    "clock_column",
    "column_index",
    "columns_only",
    "difference",
    "libraries_grouped",
    "merged",
    "of_operation",
    "of_thread",
    "operation_weights",
    "pruned",
    "recursion_collapsed",
    "reweighted",
    "self_times",
    "thread_weights",
    "totals",
    "walk",
    "without_threads",
]
