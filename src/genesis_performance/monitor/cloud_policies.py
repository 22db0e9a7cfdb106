"""Our alert policies in Cloud Monitoring: found by their labels, made, changed and deleted, others never."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import CloudNotFoundError
from ..model.series import Metric
from .policy import ALERT_LABEL, DEFINITION_LABEL, MANAGED_BY, Policy

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 20.0
OURS = f'user_labels.{MANAGED_BY[0]}="{MANAGED_BY[1]}"'


class CloudPolicies:
    """Policies of one project.

    Args:
        monotonic: clock of the wait for a new metric.
        sleep: waits so many seconds; True when there is no more time.
        say: hears of each wait.
    """

    def __init__(
        self,
        project: str,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], bool | None],
        say: Callable[[str], object] = log.warning,
    ) -> None:
        self.project = project
        self._monotonic = monotonic
        self._sleep = sleep
        self._say = say

    def apply(self, made: Policy, *, timeout_s: float) -> str:
        """Create the policy, or bring ours up to date; return its resource name.

        A policy on a metric type that is new is refused for up to ten minutes
        (terraform-provider-google#11102): tried again until ``timeout_s`` is over.

        Raises:
            CloudError: Cloud Monitoring refused it.
        """
        label = made["user_labels"][ALERT_LABEL]
        existing = self.find(label)
        if existing is not None:
            if dict(existing.user_labels).get(DEFINITION_LABEL) != made["user_labels"][DEFINITION_LABEL]:
                self._until_the_metric_is_known(
                    "update_alert_policy", _update(existing.name, made), timeout_s
                )
                log.info("alert policy %s (%s) updated", made["display_name"], existing.name)
            return str(existing.name)
        request = {"name": f"projects/{self.project}", "alert_policy": made}
        created = self._until_the_metric_is_known("create_alert_policy", request, timeout_s)
        log.info("alert policy %s (%s) created", made["display_name"], created.name)
        return self._the_only_one(label, str(created.name))

    def find(self, label: str) -> Any | None:
        """Our policy with this alert label; the oldest, should there be several."""
        named = [one for one in self.ours() if dict(one.user_labels).get(ALERT_LABEL) == label]
        return min(named, key=lambda one: str(one.name), default=None)

    def ours(self) -> list[Any]:
        """Every policy that carries our ownership label."""
        from ..gcp.calling import each

        found = each(
            "alert_policies", "list_alert_policies", {"name": f"projects/{self.project}", "filter": OURS}
        )
        # The filter is checked again here: nothing else may ever be touched.
        return [one for one in found if dict(one.user_labels).get(MANAGED_BY[0]) == MANAGED_BY[1]]

    def delete(self, name: str) -> bool:
        """Delete a policy of ours; False when it is gone already or not ours."""
        from ..gcp.calling import call

        if name not in {one.name for one in self.ours()}:
            return False
        try:
            call("alert_policies", "delete_alert_policy", {"name": name}, retry=True)
        except CloudNotFoundError:
            return False
        return True

    def describe(self, prefix: str, metrics: Sequence[tuple[Metric, frozenset[str]]]) -> None:
        """Create the descriptors that a policy on these metrics needs, with these label keys."""
        from ..export.descriptors import create_descriptor

        for metric, keys in metrics:
            create_descriptor(self.project, prefix, metric, keys)

    def _the_only_one(self, label: str, created: str) -> str:
        """Of two processes that create one policy at the same moment, the later one takes its own back."""
        kept = self.find(label)
        if kept is None or kept.name == created:
            return created
        self.delete(created)
        return str(kept.name)

    def _until_the_metric_is_known(self, method: str, request: dict[str, Any], timeout_s: float) -> Any:
        from ..gcp.calling import call

        ends = self._monotonic() + timeout_s
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return call("alert_policies", method, request)
            except CloudNotFoundError as error:
                left_s = ends - self._monotonic()
                if left_s <= pause_s:
                    raise
                self._say(
                    "the metric is not known to alerting yet, which takes up to ten minutes after its "
                    f"creation; trying again in {pause_s:.0f} s, for {left_s:.0f} s at most: {error}"
                )
                if self._sleep(pause_s):
                    raise
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def _update(name: str, made: Policy) -> dict[str, Any]:
    return {"alert_policy": {**made, "name": name}, "update_mask": {"paths": sorted(made)}}
