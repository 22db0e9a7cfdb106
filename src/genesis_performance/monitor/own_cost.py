"""What our own metrics and alerts cost in Cloud Monitoring, before anything is sent.

A sink is paid for by what it sends: ``cloud_monitoring`` by bytes, 8 for a number and 80 for a distribution;
``otlp`` to Google by samples, 1 for a number and 2 and one for each bucket that is not empty for a histogram.
Cumulative histograms only gain buckets, so those that will still fill are forecast too. A collector of one's
own costs what its backend costs, which is not known here.

Source: https://cloud.google.com/stackdriver/pricing (prices with their dates: ``prices/monitoring.json``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from ..model.alert import ApplyMode, PerformanceAlert
from ..model.money import Money
from ..model.series import Distribution, Series
from ..prices import unit_price
from .bucket_forecast import mean_filled
from .policy import policy

MONTH_S = 30 * 86_400
EXECUTION_S = 30
"""Between two executions of a condition (https://cloud.google.com/monitoring/alerts/cost-control)."""

NUMBER_BYTES, DISTRIBUTION_BYTES = 8, 80
MIB = 1024 * 1024
SERIES_OF_AN_OPERATION = 3  # duration, and the counts of ok and error
TARGET_SAMPLES = 1  # target_info, which Google stores once a resource and write

BYTES_PRICE, SAMPLES_PRICE = "monitoring.custom_metric_mib", "monitoring.prometheus_samples"
CONDITION_PRICE, RETURNED_PRICE = "monitoring.alert_condition", "monitoring.alert_series_returned"
READ_PRICE = "monitoring.api_read_series"


@dataclass(frozen=True, slots=True)
class Load:
    """What one process sends at each export."""

    numbers: int = 0
    distributions: int = 0
    buckets: float = 0.0  # that are not empty, of all distributions together

    def __add__(self, other: Load) -> Load:
        return Load(
            self.numbers + other.numbers,
            self.distributions + other.distributions,
            self.buckets + other.buckets,
        )

    @property
    def series(self) -> int:
        return self.numbers + self.distributions

    @property
    def bytes(self) -> int:
        return NUMBER_BYTES * self.numbers + DISTRIBUTION_BYTES * self.distributions

    @property
    def samples(self) -> float:
        return self.numbers + 2 * self.distributions + self.buckets


PROCESS_LOAD = Load(numbers=2)
"""CPU and memory, which every process that sends adds."""


def assumed_load(*, operations: int, buckets: int, distributions: int = 0, numbers: int = 0) -> Load:
    """Of a service that has not run yet.

    Args:
        buckets: of one histogram that are not empty.
        distributions, numbers: recorded metrics, by series.
    """
    histograms = operations + distributions
    return (
        Load(
            numbers=(SERIES_OF_AN_OPERATION - 1) * operations + numbers,
            distributions=histograms,
            buckets=buckets * histograms,
        )
        + PROCESS_LOAD
    )


def load_of(series: Iterable[Series], *, lifetime_s: float = 0.0) -> Load:
    """Of what is sent now.

    Args:
        lifetime_s: of the process: with the buckets that fill until then, on average. 0 takes them as they
            are.
    """
    numbers = distributions = 0
    buckets = 0.0
    for one in series:
        point = one.points[-1]
        value = point.value
        if isinstance(value, Distribution):
            distributions += 1
            age_s = (point.end_unix_ns - (point.start_unix_ns or point.end_unix_ns)) / 1e9
            buckets += mean_filled(value.counts, lifetime_s / max(age_s, 1.0))
        else:
            numbers += 1
    return Load(numbers, distributions, buckets)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkCost:
    """What one sink costs a month."""

    sink: str
    points: float
    amount: float  # of ``unit``
    unit: str
    cost: Money  # at list prices
    cost_after_free_tier: Money  # if nothing else of the billing account uses it
    formula: str
    basis: str  # price, date and source


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBill:
    """What we cost a month."""

    series: int
    instances: int
    interval_s: float
    sinks: tuple[SinkCost, ...]
    conditions: int
    returned: float  # time series, to conditions
    alerts: Money
    reads: float  # time series, through the API
    read_cost: Money
    notes: tuple[str, ...]


def own_bill(
    load: Load,
    *,
    instances: int,
    interval_s: float,
    conditions: int = 0,
    groups: int = 0,
    incident_minutes: float = 60.0,
) -> OwnBill:
    """The bill of a month of 30 days.

    Args:
        load: of one instance.
        conditions, groups: of the policies in Cloud Monitoring, and the series that each returns.
        incident_minutes: for how long incidents are open: meanwhile their values are read every 10 s.
    """
    exports = MONTH_S / interval_s * instances
    mib = exports * load.bytes / MIB
    samples = exports * (load.samples + TARGET_SAMPLES)
    returned = conditions * groups * MONTH_S / EXECUTION_S
    reads = incident_minutes * 6 * conditions * groups

    def sink_cost(sink: str, price: str, amount: float, unit: str, of_an_export: str) -> SinkCost:
        return SinkCost(
            sink=sink,
            points=exports * load.series,
            amount=amount,
            unit=unit,
            formula=f"{of_an_export} x {exports:,.0f} exports",
            cost=_cost(price, amount, free_tier=False),
            cost_after_free_tier=_cost(price, amount),
            basis=unit_price(price).basis,
        )

    return OwnBill(
        series=load.series * instances,
        instances=instances,
        interval_s=interval_s,
        sinks=(
            sink_cost(
                "cloud_monitoring",
                BYTES_PRICE,
                mib,
                "MiB",
                f"({NUMBER_BYTES} B x {load.numbers} numbers + {DISTRIBUTION_BYTES} B x "
                f"{load.distributions} distributions)",
            ),
            sink_cost(
                "otlp",
                SAMPLES_PRICE,
                samples,
                "samples",
                f"({load.numbers} numbers + 2 x {load.distributions} histograms + {load.buckets:.0f} "
                f"filled buckets + {TARGET_SAMPLES})",
            ),
        ),
        conditions=conditions,
        returned=returned,
        alerts=_cost(CONDITION_PRICE, conditions) + _cost(RETURNED_PRICE, returned),
        reads=reads,
        read_cost=_cost(READ_PRICE, reads),
        notes=tuple(
            note
            for key in (BYTES_PRICE, SAMPLES_PRICE, CONDITION_PRICE, RETURNED_PRICE, READ_PRICE)
            for note in unit_price(key).notes()
        ),
    )


def conditions_of(alerts: Iterable[PerformanceAlert], prefix: str) -> int:
    """Conditions of the policies that Cloud Monitoring holds; what is evaluated here costs nothing."""
    return sum(len(policy(one, prefix)["conditions"]) for one in alerts if one.apply is ApplyMode.API)


def monthly_usd(load: Load, sink: str, interval_s: float) -> float:
    """Dollars a month of one process's load, at the first tier's list price and without the free tier."""
    exports = MONTH_S / interval_s
    if sink == "otlp":
        return float(unit_price(SAMPLES_PRICE).amount) * exports * (load.samples + TARGET_SAMPLES)
    return float(unit_price(BYTES_PRICE).amount) * exports * load.bytes / MIB


def _cost(key: str, amount: float, *, free_tier: bool = True) -> Money:
    return unit_price(key).cost(Decimal(str(amount)), free_tier=free_tier)
