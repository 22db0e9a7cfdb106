"""Alerts: what the REST resource ``projects.alerts`` lists, opened and closed by the evaluation or
injected.

The shape is that of the REST reference (v3 ``projects.alerts``): there is no gRPC service and no way to
change an alert from outside. Source: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alerts
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..rpc_error import RpcError
from . import names, pages
from .filters import FilterError, Path, compile_filter
from .times import rfc3339

Alert = dict[str, Any]

MAX_PAGE = 1000
MAX_CLOSED = 10_000  # closed alerts that a project keeps
_TIMES = {
    "open_time": "openTime",
    "close_time": "closeTime",
    "openTime": "openTime",
    "closeTime": "closeTime",
}
_OBJECTS = ("resource", "metadata", "metric", "log", "policy")
_FIELDS = {"name", "state", "openTime", "closeTime", *_OBJECTS}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


class Alerts:
    """The alerts of one project, oldest first."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._by_name: dict[str, Alert] = {}
        self._made = 0

    def open(
        self, now_ns: int, resource: dict[str, Any], metric: dict[str, Any], policy: dict[str, Any]
    ) -> Alert:
        """A new alert of the evaluation."""
        alert: Alert = {
            "name": self._new_name(),
            "state": "OPEN",
            "openTime": rfc3339(now_ns),
            "resource": resource,
            "metric": metric,
            "policy": policy,
        }
        self._by_name[alert["name"]] = alert
        return alert

    def close(self, alert: Alert, now_ns: int) -> None:
        alert["state"] = "CLOSED"
        alert["closeTime"] = rfc3339(now_ns)
        closed = [name for name, held in self._by_name.items() if held["state"] == "CLOSED"]
        for name in closed[:-MAX_CLOSED]:
            del self._by_name[name]

    def inject(self, given: Alert, now_ns: int) -> Alert:
        """Take in an alert as it is given, or change the one of that name; what is missing is filled in.

        Raises:
            RpcError: a field is unknown or of the wrong form.
        """
        for field, value in given.items():
            _check_field(field, value)
        name = given.get("name") or self._new_name()
        alert = {
            "state": "OPEN",
            "openTime": rfc3339(now_ns),
            **self._by_name.get(name, {}),
            **given,
            "name": name,
        }
        if alert["state"] == "CLOSED":
            alert.setdefault("closeTime", rfc3339(now_ns))
        else:
            alert.pop("closeTime", None)
        self._by_name[name] = alert
        return dict(alert)

    def _new_name(self) -> str:
        self._made += 1
        return f"projects/{self._project}/alerts/0.{self._made:012x}"

    def dump(self) -> dict[str, Any]:
        return {"made": self._made, "alerts": list(self._by_name.values())}

    def load(self, value: dict[str, Any]) -> None:
        """Take back what ``dump`` gave."""
        self._by_name = {alert["name"]: alert for alert in value["alerts"]}
        self._made = int(value["made"])

    def held(self, name: str) -> Alert:
        """The alert itself, for the evaluation to change."""
        return self._by_name[name]

    def get(self, name: str) -> Alert:
        alert = self._by_name.get(name)
        if alert is None:
            raise names.not_found(name)
        return dict(alert)

    def page(self, where: str, page_size: int, page_token: str, order_by: str) -> dict[str, Any]:
        """One page of the alerts that match, with their number.

        Raises:
            RpcError: the filter, the order or the token is wrong.
        """
        found = [dict(alert) for alert in self._by_name.values()]
        if where:
            selector = compile_filter(where, _field)
            found = [alert for alert in found if selector.matches(alert)]
        for key, reverse in reversed(_order(order_by)):
            found.sort(key=_text_of(key), reverse=reverse)
        mark = pages.digest(f"{self._project}\0{where}\0{order_by}".encode())
        page, next_token = pages.cut(found, page_size, page_token, mark, MAX_PAGE)
        answer: dict[str, Any] = {"alerts": list(page), "totalSize": len(found)}
        if next_token:
            answer["nextPageToken"] = next_token
        return answer


def _check_field(field: str, value: object) -> None:
    if field not in _FIELDS:
        raise RpcError(
            "INVALID_ARGUMENT", f"An alert has no field {field[:80]!r}; it has {', '.join(sorted(_FIELDS))}."
        )
    if field in _OBJECTS:
        right = isinstance(value, dict)
    elif field == "state":
        right = value in {"OPEN", "CLOSED"}
    elif field == "name":
        right = isinstance(value, str)
    else:
        right = isinstance(value, str) and _TIME.fullmatch(value) is not None
    if not right:
        raise RpcError("INVALID_ARGUMENT", f"The alert's field {field} can not be {repr(value)[:80]}.")


def _field(path: Path) -> Callable[[Alert], object]:
    """The getter of a field, in the JSON's spelling or with underscores."""
    keys = tuple(_TIMES.get(part, part) for part in path)

    def get(alert: Alert) -> object:
        value: object = alert
        for key in keys:
            if not isinstance(value, dict):
                return None
            value = value.get(key, value.get(_camel(key), value.get(f"{key}s")))
        return value

    if keys[0] not in _FIELDS:
        raise FilterError(f"The field '{'.'.join(path)[:80]}' is not supported here.")
    return get


def _text_of(key: str) -> Callable[[Alert], str]:
    return lambda alert: str(alert.get(key, ""))


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _order(order_by: str) -> list[tuple[str, bool]]:
    keys = []
    for part in filter(None, (piece.strip() for piece in order_by.split(","))):
        name, _, direction = part.partition(" ")
        if name not in _TIMES or direction.strip() not in {"", "asc", "desc"}:
            raise names.invalid(
                "order_by", order_by, "Alerts are ordered by open_time and close_time, each with desc."
            )
        keys.append((_TIMES[name], direction.strip() == "desc"))
    return keys
