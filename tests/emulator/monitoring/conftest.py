"""A Cloud Monitoring on a clock that only moves when told to, and short words for its messages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from genesis_performance.emulator.clock import Clock
from genesis_performance.emulator.monitoring import SERVICES
from genesis_performance.emulator.monitoring.alert_policy_service import AlertPolicyService
from genesis_performance.emulator.monitoring.metric_service import MetricService

START_S = 1_790_000_000  # a whole minute would hide mistakes of a second: this is 26 s past one


class FakeCloud:
    """The part of the emulator's cloud that services see."""

    def __init__(self) -> None:
        self.clock = Clock(lambda: START_S * 1_000_000_000)
        self.settings = SimpleNamespace(descriptor_delay_s=0.0)
        self.services: dict[str, Any] = {cls.SERVICE: cls(self) for cls in SERVICES}

    def service(self, cls: Any) -> Any:
        return self.services[cls.SERVICE]

    @property
    def now_s(self) -> float:
        return self.clock.now_ns() / 1e9


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud()


@pytest.fixture
def metrics(cloud: FakeCloud) -> MetricService:
    service: MetricService = cloud.service(MetricService)
    return service


@pytest.fixture
def policies(cloud: FakeCloud) -> AlertPolicyService:
    service: AlertPolicyService = cloud.service(AlertPolicyService)
    return service
