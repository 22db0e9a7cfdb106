"""Model values survive the way to JSON and back."""

import json
from dataclasses import dataclass
from decimal import Decimal

import pytest

from genesis_performance.errors import InvalidInputError, StoreError
from genesis_performance.model.advice import Evidence, Finding, OptimizationRecommendation, Saving, Severity
from genesis_performance.model.alert import IncidentState, PerformanceIncident
from genesis_performance.model.change import Baseline
from genesis_performance.model.money import Money
from genesis_performance.model.operation import Histogram, OperationSnapshot
from genesis_performance.storage import from_body, to_body

VALUES = [
    Baseline(
        operation_name="a", runs_ms=((1.0, 2.5), (3.0,)), created_unix_ns=1, environment={"python": "3"}
    ),
    OperationSnapshot(
        name="a",
        labels=(("route", "/x"),),
        count=3,
        errors=1,
        error_types={"KeyError": 1},
        sum_ns=10**18,
        min_ns=1,
        max_ns=2**62,
        histogram=Histogram({5: 2, 900: 1}),
        cpu_ns=None,
        start_unix_ns=1,
    ),
    OptimizationRecommendation(
        id="1",
        rule="optimizer/x",
        title="t",
        description="d",
        resource="r",
        effort_hours=0.5,
        findings=(
            Finding(
                rule="x",
                severity=Severity.CRITICAL,
                resource="r",
                title="t",
                reason="r",
                evidence=(
                    Evidence(name="p95", value=1.5),
                    Evidence(name="n", value=2),
                    Evidence(name="s", value="v"),
                ),
            ),
        ),
        saving=Saving(
            low=Money(Decimal("0.1")),
            expected=Money(Decimal("1234567890.123456789")),
            high=Money(Decimal(3), "EUR"),
            formula="f",
            basis="b",
        ),
        latency_gain_ms=(1.0, 2.0, 3.0),
    ),
    PerformanceIncident(
        id="1",
        alert_name="a",
        service_name="s",
        operation="",
        state=IncidentState.OPEN,
        current_value=1.0,
        worst_value=2.0,
        threshold=0.5,
        unit="ms",
        opened_unix_ns=5,
        timeline=((5, "opened"),),
    ),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_model_value_comes_back_equal(value: object) -> None:
    body = json.loads(json.dumps(to_body(value)))
    assert from_body(type(value), body) == value


def test_a_field_of_a_newer_version_is_ignored() -> None:
    body = to_body(VALUES[0]) | {"invented_later": [1]}
    assert from_body(Baseline, body) == VALUES[0]


@pytest.mark.parametrize("body", [{}, {"operation_name": 5, "runs_ms": [], "created_unix_ns": 0}])
def test_a_body_that_does_not_fit_is_an_error_that_names_the_value(body: dict[str, object]) -> None:
    with pytest.raises(StoreError, match="stored Baseline can not be read"):
        from_body(Baseline, body)


@dataclass(frozen=True)
class Odd:
    value: object


@pytest.mark.parametrize("value", [5, "text", [1], Odd(object())])
def test_what_is_no_model_value_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError, match="can not be stored"):
        to_body(value)
