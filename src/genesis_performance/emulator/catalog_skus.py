"""The rows of the emulated price list.

Service ids are the real ones. SKU ids are placeholders (``0000-0000-....``), because the real ones are not
known here. Prices are list prices in USD, read on 23 November 2026 from the pricing pages and from the price
files of open source estimators; tier 1 of Cloud Run stands for us-central1, tier 2 for europe-west3.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

Tiers = tuple[tuple[float, str], ...]  # usage from which a price holds, price of one usage unit

US = ("us-central1",)
EU = ("europe-west3",)
GLOBAL = ("global",)
GIB = 1 << 30
TIB = 1 << 40
MONTH_S = 2_592_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogSku:
    id: str
    description: str
    family: str
    group: str
    regions: tuple[str, ...]
    usage_unit: str
    usage_unit_description: str
    base_unit: str
    base_units: float  # base units of one usage unit
    display_quantity: float
    tiers: Tiers


@dataclass(frozen=True, slots=True)
class CatalogService:
    id: str
    display_name: str
    skus: tuple[CatalogSku, ...]


_numbers = itertools.count(1)


def _row(
    description: str,
    group: str,
    regions: tuple[str, ...],
    unit: tuple[str, str, str, float],
    *tiers: tuple[float, str],
    family: str = "ApplicationServices",
    shown: float = 1.0,
) -> CatalogSku:
    usage_unit, words, base_unit, base_units = unit
    return CatalogSku(
        id=f"0000-0000-{next(_numbers):04X}",
        description=description,
        family=family,
        group=group,
        regions=regions,
        usage_unit=usage_unit,
        usage_unit_description=words,
        base_unit=base_unit,
        base_units=base_units,
        display_quantity=shown,
        tiers=tiers,
    )


_COUNT = ("count", "count", "count", 1.0)
_SECOND = ("s", "second", "s", 1.0)
_GIB_SECOND = ("GiBy.s", "gibibyte second", "By.s", float(GIB))
_GIB_MONTH = ("GiBy.mo", "gibibyte month", "By.s", float(GIB) * MONTH_S)
_GIB = ("GiBy", "gibibyte", "By", float(GIB))
_MIB = ("MiBy", "mebibyte", "By", float(1 << 20))
_TIB = ("TiBy", "tebibyte", "By", float(TIB))
_HOUR = ("h", "hour", "s", 3600.0)
_MONTH = ("mo", "month", "s", float(MONTH_S))

_CLOUD_RUN = (
    _row("CPU Allocation Time", "Compute", US, _SECOND, (0, "0"), (180_000, "0.000024")),
    _row("Memory Allocation Time", "Compute", US, _GIB_SECOND, (0, "0"), (360_000, "0.0000025")),
    _row("Requests", "Compute", GLOBAL, _COUNT, (0, "0"), (2_000_000, "0.0000004"), shown=1e6),
    _row("Idle Min-Instance CPU Allocation Time", "Compute", US, _SECOND, (0, "0.0000025")),
    _row("Idle Min-Instance Memory Allocation Time", "Compute", US, _GIB_SECOND, (0, "0.0000025")),
    _row("CPU Allocation Time (Always-on CPU)", "Compute", US, _SECOND, (0, "0"), (240_000, "0.000018")),
    _row(
        "Memory Allocation Time (Always-on CPU)", "Compute", US, _GIB_SECOND, (0, "0"), (450_000, "0.000002")
    ),
    _row("CPU Allocation Time (tier 2)", "Compute", EU, _SECOND, (0, "0"), (180_000, "0.0000336")),
    _row("Memory Allocation Time (tier 2)", "Compute", EU, _GIB_SECOND, (0, "0"), (360_000, "0.0000035")),
    _row(
        "CPU Allocation Time (Always-on CPU, tier 2)",
        "Compute",
        EU,
        _SECOND,
        (0, "0"),
        (240_000, "0.0000216"),
    ),
    _row(
        "Memory Allocation Time (Always-on, tier 2)",
        "Compute",
        EU,
        _GIB_SECOND,
        (0, "0"),
        (450_000, "0.0000024"),
    ),
)
_SECRET_MANAGER = (
    _row("Secret version replica storage", "Security", GLOBAL, _MONTH, (0, "0"), (6, "0.06")),
    _row(
        "Secret access operations", "Security", GLOBAL, _COUNT, (0, "0"), (10_000, "0.000003"), shown=10_000
    ),
    _row("Secret rotation notifications", "Security", GLOBAL, _COUNT, (0, "0"), (3, "0.05")),
)
_MONITORING = (
    _row(
        "Metric Volume", "Monitoring", GLOBAL, _MIB,
        (0, "0"), (150, "0.258"), (100_000, "0.151"), (250_000, "0.061"),
    ),
    _row("Monitoring API Requests", "API", GLOBAL, _COUNT, (0, "0"), (1_000_000, "0.00001"), shown=1000),
)  # fmt: skip
_BIG_QUERY = (
    _row("Analysis", "OnDemand", US, _TIB, (0, "0"), (1, "6.25")),
    _row("BigQuery Standard Edition", "Edition", US, _HOUR, (0, "0.04")),
    _row("BigQuery Enterprise Edition", "Edition", US, _HOUR, (0, "0.06")),
    _row("BigQuery Enterprise Plus Edition", "Edition", US, _HOUR, (0, "0.1")),
    _row("Active Logical Storage", "Storage", US, _GIB_MONTH, (0, "0"), (10, "0.02"), family="Storage"),
    _row("Long Term Logical Storage", "Storage", US, _GIB_MONTH, (0, "0"), (10, "0.01"), family="Storage"),
    _row("Streaming Insert", "Streaming", US, _GIB, (0, "0.05")),
    _row("BigQuery Storage API - Write", "Streaming", US, _GIB, (0, "0.025")),
    _row("BigQuery Storage API - Read", "Streaming", US, _TIB, (0, "1.1")),
)
_CLOUD_STORAGE = (
    _row("Standard Storage Iowa", "RegionalStorage", US, _GIB_MONTH, (0, "0"), (5, "0.02"), family="Storage"),
    _row("Nearline Storage Iowa", "NearlineStorage", US, _GIB_MONTH, (0, "0.01"), family="Storage"),
    _row("Coldline Storage Iowa", "ColdlineStorage", US, _GIB_MONTH, (0, "0.004"), family="Storage"),
    _row("Archive Storage Iowa", "ArchiveStorage", US, _GIB_MONTH, (0, "0.0012"), family="Storage"),
    _row(
        "Standard Class A Operations", "Ops", GLOBAL, _COUNT, (0, "0.000005"), family="Storage", shown=10_000
    ),
    _row(
        "Standard Class B Operations", "Ops", GLOBAL, _COUNT, (0, "0.0000004"), family="Storage", shown=10_000
    ),
    _row("Nearline Data Retrieval", "Retrieval", GLOBAL, _GIB, (0, "0.01"), family="Storage"),
    _row("Coldline Data Retrieval", "Retrieval", GLOBAL, _GIB, (0, "0.02"), family="Storage"),
    _row("Archive Data Retrieval", "Retrieval", GLOBAL, _GIB, (0, "0.05"), family="Storage"),
)
_COMPUTE_ENGINE = (
    _row(
        "Network Internet Data Transfer Out", "InternetEgress", GLOBAL, _GIB,
        (0, "0"), (1, "0.12"), (1024, "0.11"), (10_240, "0.08"), family="Network",
    ),
)  # fmt: skip

CATALOG = (
    CatalogService("152E-C115-5142", "Cloud Run", _CLOUD_RUN),
    CatalogService("24E6-581D-38E5", "BigQuery", _BIG_QUERY),
    CatalogService("58CD-E7C3-72CA", "Cloud Monitoring", _MONITORING),
    CatalogService("6F81-5844-456A", "Compute Engine", _COMPUTE_ENGINE),
    CatalogService("95FF-2EF5-5EA1", "Cloud Storage", _CLOUD_STORAGE),
    CatalogService("EE82-7A5E-871C", "Secret Manager", _SECRET_MANAGER),
)
