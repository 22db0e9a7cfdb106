"""The emulated dashboards of Cloud Monitoring: stored, with etags; no widget is drawn.

Source: the documentation of ``Dashboard`` and its layouts in the official client.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from google.cloud.monitoring_dashboard_v1 import types

from ..crud import CrudService, Kind, invalid
from ..projects import PROJECT
from ..rpc_error import RpcError

MAX_COLUMNS = 48  # the client's documentation says 12, the console's own dashboards have 48


def _check(_service: CrudService, dashboard: Any, before: Any) -> None:
    if not dashboard.display_name:
        raise RpcError("INVALID_ARGUMENT", "Field displayName is required.")
    if before is None and dashboard.etag:
        raise invalid("dashboard.etag", dashboard.etag, "it must not be given when a dashboard is created.")
    if dashboard.HasField("mosaic_layout"):
        _check_mosaic(dashboard.mosaic_layout)


def _check_mosaic(mosaic: Any) -> None:
    field = "dashboard.mosaicLayout"
    if not 1 <= mosaic.columns <= MAX_COLUMNS:
        raise invalid(f"{field}.columns", mosaic.columns, f"it must be between 1 and {MAX_COLUMNS}.")
    for index, tile in enumerate(mosaic.tiles):
        name = f"{field}.tiles[{index}]"
        if tile.width < 1 or tile.height < 1:
            raise invalid(name, f"{tile.width}x{tile.height}", "width and height must be at least 1.")
        if tile.x_pos < 0 or tile.y_pos < 0:
            raise invalid(name, f"{tile.x_pos},{tile.y_pos}", "positions must not be negative.")
        if tile.x_pos + tile.width > mosaic.columns:
            raise invalid(name, f"{tile.x_pos}+{tile.width}", "it must lie within the columns of the layout.")


class DashboardsService(CrudService):
    """google.monitoring.dashboard.v1.DashboardsService."""

    SERVICE = "google.monitoring.dashboard.v1.DashboardsService"
    KINDS = (
        Kind(
            rpc="Dashboard",
            plural="Dashboards",
            field="dashboard",
            message=types.Dashboard.pb(),
            page=types.ListDashboardsResponse.pb(),
            items="dashboards",
            parent=PROJECT,
            collection="dashboards",
            check=_check,
            new_id=lambda: str(uuid.uuid4()),
            has_etag=True,
        ),
    )

    def CreateDashboard(self, request: Any, context: Any = None) -> Any:
        """As usual, but the id may be chosen through the name of the dashboard itself."""
        dashboards = self.resources["Dashboard"]
        name = request.dashboard.name
        if not name:
            return dashboards.create(request)
        match = re.fullmatch(rf"(?P<parent>{PROJECT})/dashboards/(?P<id>[A-Za-z0-9_-]{{1,128}})", name)
        if match is None or match["parent"] != request.parent:
            raise invalid("dashboard.name", name, "it must have the form [PARENT]/dashboards/[DASHBOARD_ID].")
        return dashboards.create(request, chosen=match["id"])


SERVICES = (DashboardsService,)
