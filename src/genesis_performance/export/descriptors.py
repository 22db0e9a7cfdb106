"""Create metric descriptors: before the first point, and before a policy that names the metric."""

from __future__ import annotations

from collections.abc import Iterable

from ..gcp.calling import call
from ..model.series import Metric
from .messages import descriptor_request


def create_descriptor(
    project: str, prefix: str, metric: Metric, label_keys: Iterable[str], *, timeout_s: float | None = None
) -> None:
    """Create the descriptor, or bring it up to date; labels that it has already are kept by the service.

    Raises:
        CloudError: it was refused: another value type, no permission, a quota.
    """
    request = descriptor_request(project, prefix, metric, label_keys)
    # Tried again when it is lost on the way: creating a descriptor twice changes nothing.
    call("metrics", "create_metric_descriptor", request, timeout_s=timeout_s, retry=True)
