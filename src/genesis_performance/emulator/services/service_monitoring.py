"""The emulated services and service level objectives of Cloud Monitoring: stored and checked, not computed.

Source: the documentation of ``Service`` and ``ServiceLevelObjective`` in the official client.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from google.cloud.monitoring_v3 import types
from google.type import calendar_period_pb2

from ..crud import CrudService, Kind, check_user_labels, invalid
from ..list_filters import matcher
from ..projects import PROJECT
from ..rpc_error import RpcError

DAY_S = 86_400
MAX_GOAL = 0.9999
_PERIODS = {
    getattr(calendar_period_pb2, name) for name in ("DAY", "WEEK", "FORTNIGHT", "MONTH")
}  # the others exist in the enum only
_IDENTIFIER_CASE = re.compile(r"""\s*identifier_case\s*=\s*["']?([A-Z_]+)["']?\s*""")
_View = types.ServiceLevelObjective.View


def _check_service(_service: CrudService, service: Any, _before: Any) -> None:
    check_user_labels(service.user_labels, "service.user_labels")


def _check_objective(service: CrudService, objective: Any, before: Any) -> None:
    where = "service_level_objective"
    if before is None:
        service.resources["Service"].held(objective.name.partition("/serviceLevelObjectives/")[0])
    if not 0 < objective.goal <= MAX_GOAL:
        raise invalid(f"{where}.goal", objective.goal, f"it must be above 0, up to {MAX_GOAL}.")
    period = objective.WhichOneof("period")
    if period is None:
        raise invalid(f"{where}.period", "", "either rolling_period or calendar_period must be set.")
    if period == "rolling_period":
        rolling = objective.rolling_period
        if rolling.nanos or rolling.seconds % DAY_S or not DAY_S <= rolling.seconds <= 30 * DAY_S:
            raise invalid(f"{where}.rolling_period", f"{rolling.seconds}s", "it must be 1 to 30 whole days.")
    elif objective.calendar_period not in _PERIODS:
        raise invalid(
            f"{where}.calendar_period",
            objective.calendar_period,
            "DAY, WEEK, FORTNIGHT and MONTH are supported.",
        )
    check_user_labels(objective.user_labels, f"{where}.user_labels")
    _check_indicator(objective.service_level_indicator, f"{where}.service_level_indicator")


def _check_indicator(indicator: Any, where: str) -> None:
    kind = indicator.WhichOneof("type")
    if kind is None:
        raise invalid(where, "", "one of basic_sli, request_based and windows_based must be set.")
    if kind == "basic_sli":
        _check_basic(indicator.basic_sli, f"{where}.basic_sli")
    elif kind == "request_based":
        _check_request_based(indicator.request_based, f"{where}.request_based")
    else:
        _check_windows(indicator.windows_based, f"{where}.windows_based")


def _check_basic(basic: Any, where: str) -> None:
    criteria = basic.WhichOneof("sli_criteria")
    if criteria is None:
        raise invalid(where, "", "either availability or latency must be set.")
    threshold = basic.latency.threshold
    if criteria == "latency" and (threshold.seconds, threshold.nanos) <= (0, 0):
        raise invalid(f"{where}.latency.threshold", f"{threshold.seconds}s", "it must be above 0.")


def _check_request_based(based: Any, where: str) -> None:
    method = based.WhichOneof("method")
    if method == "good_total_ratio":
        ratio = based.good_total_ratio
        given = [ratio.good_service_filter, ratio.bad_service_filter, ratio.total_service_filter]
        if sum(map(bool, given)) != 2:
            raise invalid(f"{where}.good_total_ratio", "", "exactly two of good, bad and total must be set.")
    elif method == "distribution_cut":
        cut = based.distribution_cut
        if not cut.distribution_filter:
            raise invalid(f"{where}.distribution_cut.distribution_filter", "", "it must be set.")
        _check_range(cut.range_, f"{where}.distribution_cut.range")
    else:
        raise invalid(where, "", "either good_total_ratio or distribution_cut must be set.")


def _check_windows(windows: Any, where: str) -> None:
    period = windows.window_period
    if period.nanos or period.seconds < 60 or DAY_S % period.seconds:
        raise invalid(
            f"{where}.window_period", f"{period.seconds}s", "it must be a whole fraction of a day, from 60s."
        )
    criterion = windows.WhichOneof("window_criterion")
    if criterion is None or (criterion == "good_bad_metric_filter" and not windows.good_bad_metric_filter):
        raise invalid(where, "", "a criterion of good windows must be set.")
    if criterion == "good_total_ratio_threshold":
        threshold = windows.good_total_ratio_threshold
        kind = threshold.WhichOneof("type")
        if kind == "performance":
            _check_request_based(threshold.performance, f"{where}.good_total_ratio_threshold.performance")
        elif kind == "basic_sli_performance":
            _check_basic(
                threshold.basic_sli_performance, f"{where}.good_total_ratio_threshold.basic_sli_performance"
            )
        else:
            raise invalid(f"{where}.good_total_ratio_threshold", "", "a performance must be set.")
    elif criterion in {"metric_mean_in_range", "metric_sum_in_range"}:
        metric = getattr(windows, criterion)
        if not metric.time_series:
            raise invalid(f"{where}.{criterion}.time_series", "", "it must be set.")
        _check_range(metric.range_, f"{where}.{criterion}.range")


def _check_range(bounds: Any, where: str) -> None:
    if math.isnan(bounds.min_) or math.isnan(bounds.max_) or bounds.min_ >= bounds.max_:
        raise invalid(where, f"{bounds.min_}..{bounds.max_}", "min must be below max.")


class ServiceMonitoringService(CrudService):
    """google.monitoring.v3.ServiceMonitoringService."""

    SERVICE = "google.monitoring.v3.ServiceMonitoringService"
    KINDS = (
        Kind(
            rpc="Service",
            plural="Services",
            field="service",
            message=types.Service.pb(),
            page=types.ListServicesResponse.pb(),
            items="services",
            parent=PROJECT,
            collection="services",
            id_field="service_id",
            id_pattern=r"[a-z0-9\-]{1,128}",
            check=_check_service,
        ),
        Kind(
            rpc="ServiceLevelObjective",
            plural="ServiceLevelObjectives",
            field="service_level_objective",
            message=types.ServiceLevelObjective.pb(),
            page=types.ListServiceLevelObjectivesResponse.pb(),
            items="service_level_objectives",
            parent=rf"{PROJECT}/services/(?P<service>[^/]+)",
            collection="serviceLevelObjectives",
            id_field="service_level_objective_id",
            id_pattern=r"[a-zA-Z0-9\-_:.]{1,128}",
            check=_check_objective,
        ),
    )

    def before_delete(self, kind: Kind, message: Any, request: Any) -> None:
        if kind.rpc == "Service":
            self.resources["ServiceLevelObjective"].drop(message.name)

    def filter(self, kind: Kind, request: Any) -> Callable[[Any], bool]:
        case = _IDENTIFIER_CASE.fullmatch(request.filter)
        if kind.rpc == "Service" and case is not None:
            return lambda service: service.WhichOneof("identifier") == case[1].lower()
        return matcher(request.filter, kind.message)

    def GetServiceLevelObjective(self, request: Any, context: Any = None) -> Any:
        answer = self.resources["ServiceLevelObjective"].get(request)
        _refuse_explicit_view(request, [answer])
        return answer

    def ListServiceLevelObjectives(self, request: Any, context: Any = None) -> Any:
        answer = self.resources["ServiceLevelObjective"].list(request)
        _refuse_explicit_view(request, answer.service_level_objectives)
        return answer


def _refuse_explicit_view(request: Any, objectives: Any) -> None:
    """Only for a basic indicator does the explicit view differ, and its metrics are Google's secret."""
    is_basic = any(each.service_level_indicator.HasField("basic_sli") for each in objectives)
    if request.view == _View.EXPLICIT and is_basic:
        raise RpcError("UNIMPLEMENTED", "The view EXPLICIT of a basic_sli is not emulated.")


SERVICES = (ServiceMonitoringService,)
