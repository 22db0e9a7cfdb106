"""One local Google Cloud: its clock, its planted faults, its call counts and its services.

Nothing here is shared between two of them, so several can live in one process.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, TypeVar

from .clock import Clock
from .discovery import service_classes
from .faults import FaultQueue

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Settings:
    """What may be chosen when a cloud is made."""

    seed: int = 0  # of the dice of faults
    descriptor_delay_s: float = 0.0  # how long a new metric descriptor stays unknown to alert policies


class Cloud:
    """State and behaviour of every emulated service."""

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None) -> None:
        self.settings = settings or Settings()
        self.clock = clock or Clock()
        self.faults = FaultQueue(self.settings.seed)
        self.calls: Counter[str] = Counter()  # by full method, also the calls that failed
        self.internal_errors = 0  # exceptions that no service should have let out
        self.services: dict[str, Any] = {cls.SERVICE: cls(self) for cls in service_classes()}

    def service(self, cls: type[S]) -> S:
        """The instance of a service class in this cloud."""
        found: S = self.services[cls.SERVICE]  # type: ignore[attr-defined]
        return found

    def tick(self) -> None:
        """Let services do what time brings: alert conditions, for example."""
        for service in self.services.values():
            evaluate = getattr(service, "evaluate", None)
            if evaluate is not None:
                evaluate()
