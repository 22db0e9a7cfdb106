"""asyncio's tasks that wait, seen from another thread.

Every task that is suspended adds the time since the last sample to the stack of its own coroutines,
whatever it waits for: a timer, another task, its turn. A task that gathers others waits as they do, so
awaited time adds up to more than the clock's.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .stack_walk import Walked, walk_coroutine
from .thread_clocks import MAX_NAME_LENGTH

if TYPE_CHECKING:
    import asyncio

    from .stack_table import Row

MOST_A_SAMPLE = 16
"""Tasks looked at in one sample: more cost more than the stacks of all threads."""

UNNAMED = "tasks"
_NUMBERED = re.compile(r"Task-\d+")


class Waiting:
    """One task that waits, for as long as it waits for the same."""

    __slots__ = ("loop_thread", "name", "row", "share", "waiter", "walked")

    def __init__(self, name: str, walked: Walked, waiter: object, loop_thread: int | None) -> None:
        self.name = name
        self.walked = walked
        self.waiter = waiter  # the future; None where the task waits for its turn
        self.loop_thread = loop_thread
        self.share = 1.0  # tasks that it stands for
        self.row: Row | None = None  # where it is counted


class WaitingTasks:
    """Looks at up to ``most`` tasks a sample, each with the same chance.

    Args:
        uniform: random numbers from 0 to 1.
    """

    def __init__(self, *, most: int = MOST_A_SAMPLE, uniform: Callable[[], float] = random.random) -> None:
        self._most = most
        self._uniform = uniform
        self._known: dict[Any, Waiting] = {}
        self.passed_over = 0  # tasks that a sample did not look at; others stood for them
        self.unreadable = False

    def take(self) -> Iterator[Waiting]:
        """The tasks of this sample that wait; those that run, or have ended, are left out."""
        references = self._references()
        count = len(references)
        if not count or not self._most:
            return
        share = 1.0
        if count > self._most:
            # One random start and equal steps: every task's chance is the same, at one random number.
            share = count / self._most
            start = self._uniform() * share
            references = [references[min(int(start + step * share), count - 1)] for step in range(self._most)]
            self.passed_over += count - self._most
        known = self._known
        if len(known) > 2 * count + self._most:
            known.clear()
        for reference in references:
            task = reference() if callable(reference) else reference
            if task is None:
                continue
            waiting = known.get(reference)
            # The same future is still waited for: the task has not run since, and all is as it was.
            if waiting is None or waiting.waiter is None or waiting.waiter is not task._fut_waiter:
                waiting = _waiting(task)
                if waiting is None:
                    continue
                known[reference] = waiting
            waiting.share = share
            yield waiting

    def forget(self) -> None:
        """Hold on to no task and future of the host."""
        self._known.clear()

    def _references(self) -> list[Any]:
        """Weak references to all tasks, or tasks; copied in one step that no other thread can interrupt."""
        module = sys.modules.get("asyncio.tasks")
        if module is None:
            return []
        found: list[Any] = []
        known = False
        for name in ("_all_tasks", "_scheduled_tasks"):  # until Python 3.11, and from 3.12
            weak_set = getattr(module, name, None)
            if weak_set is not None and hasattr(weak_set, "data"):
                known = True
                found.extend(list(weak_set.data))
        eager = getattr(module, "_eager_tasks", None)
        if isinstance(eager, set):
            found.extend(list(eager))
        self.unreadable = not known or sys.version_info >= (3, 14)
        return found


def _waiting(task: asyncio.Task[Any]) -> Waiting | None:
    try:
        if task.done():
            return None
        walked = walk_coroutine(task.get_coro())
        if walked is None:
            return None
        name = task.get_name()
        loop_thread = getattr(task.get_loop(), "_thread_id", None)
        waiter = getattr(task, "_fut_waiter", None)
    except Exception:  # noqa: BLE001 - a task class of the host's own may raise anything
        return None
    name = UNNAMED if _NUMBERED.fullmatch(name) else name[:MAX_NAME_LENGTH]
    return Waiting(name, walked, waiter, loop_thread)
