"""The emulated price list of Cloud Billing: the services we name, with prices of 23 November 2026."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from google.cloud.billing_v1 import types

from ..catalog_skus import CATALOG, CatalogService, CatalogSku
from ..cloud import Cloud
from ..crud import invalid
from ..paging import page_of
from ..rpc_error import RpcError
from .cloud_billing import CURRENCY

_Service = types.Service.pb()
_Sku = types.Sku.pb()
_Geo = types.GeoTaxonomy.Type
_Aggregation = types.AggregationInfo
EFFECTIVE = datetime(2026, 11, 23, tzinfo=UTC)
MAX_PAGE = 5000


class CloudCatalog:
    """google.cloud.billing.v1.CloudCatalog."""

    SERVICE = "google.cloud.billing.v1.CloudCatalog"

    def __init__(self, cloud: Cloud) -> None:
        self._skus = {service.id: [_sku(service, sku) for sku in service.skus] for service in CATALOG}
        self._services = [
            _Service(
                name=f"services/{service.id}",
                service_id=service.id,
                display_name=service.display_name,
                business_entity_name="businessEntities/GCP",
            )
            for service in CATALOG
        ]

    def ListServices(self, request: Any, context: Any = None) -> Any:
        page, following = page_of(self._services, request, most=MAX_PAGE)
        return types.ListServicesResponse.pb()(services=page, next_page_token=following)

    def ListSkus(self, request: Any, context: Any = None) -> Any:
        match = re.fullmatch(r"services/([^/]+)", request.parent)
        if match is None:
            raise invalid("parent", request.parent, "it must have the form services/[SERVICE].")
        if match[1] not in self._skus:
            raise RpcError("NOT_FOUND", f"Service {request.parent} was not found.")
        if request.currency_code not in {"", CURRENCY}:
            raise RpcError(
                "UNIMPLEMENTED", f"Prices in {request.currency_code[:8]} are not emulated, only USD."
            )
        page, following = page_of(self._skus[match[1]], request, most=MAX_PAGE)
        return types.ListSkusResponse.pb()(skus=page, next_page_token=following)


def _sku(service: CatalogService, row: CatalogSku) -> Any:
    sku = _Sku(
        name=f"services/{service.id}/skus/{row.id}",
        sku_id=row.id,
        description=row.description,
        category={
            "service_display_name": service.display_name,
            "resource_family": row.family,
            "resource_group": row.group,
            "usage_type": "OnDemand",
        },
        service_regions=row.regions,
        service_provider_name="Google",
    )
    sku.geo_taxonomy.type_ = _Geo.REGIONAL if len(row.regions) == 1 else _Geo.GLOBAL
    if sku.geo_taxonomy.type_ == _Geo.REGIONAL:
        sku.geo_taxonomy.regions.extend(row.regions)
    info = sku.pricing_info.add(currency_conversion_rate=1.0)
    info.effective_time.FromDatetime(EFFECTIVE)
    expression = info.pricing_expression
    expression.usage_unit = row.usage_unit
    expression.usage_unit_description = row.usage_unit_description
    expression.base_unit = row.base_unit
    expression.base_unit_conversion_factor = row.base_units
    expression.display_quantity = row.display_quantity
    for start, price in row.tiers:
        rate = expression.tiered_rates.add(start_usage_amount=start)
        rate.unit_price.currency_code = CURRENCY
        rate.unit_price.units = int(Decimal(price))
        rate.unit_price.nanos = int((Decimal(price) % 1) * 10**9)
    if len(row.tiers) > 1:
        info.aggregation_info.aggregation_level = _Aggregation.AggregationLevel.ACCOUNT
        info.aggregation_info.aggregation_interval = _Aggregation.AggregationInterval.MONTHLY
        info.aggregation_info.aggregation_count = 1
    return sku


SERVICES = (CloudCatalog,)
