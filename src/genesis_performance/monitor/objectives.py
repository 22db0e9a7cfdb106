"""Objectives in Cloud Monitoring that a policy or a chart refers to: they are used, never made."""

from __future__ import annotations

from ..errors import CloudNotFoundError, CloudPermissionError


def check_objective(name: str) -> None:
    """Look the objective up: a policy or a chart may name one that never was, and then stays empty.

    Raises:
        CloudNotFoundError: there is none of that name.
    """
    from ..gcp.calling import call

    try:
        call("service_monitoring", "get_service_level_objective", {"name": name})
    except CloudPermissionError:  # who may make policies need not be allowed to look at objectives
        return
    except CloudNotFoundError as error:
        raise CloudNotFoundError(
            f"slo is {name!r} and Cloud Monitoring has no such objective; make it there first, or leave slo "
            "out: failed executions are counted then",
            code=error.code,
            details=error.details,
        ) from error
