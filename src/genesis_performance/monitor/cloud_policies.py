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

    def apply(self, made: Policy, *, timeout_s: float, make_known: Callable[[], object] | None = None) -> str:
        """Create the policy, or bring ours up to date; return its resource name.

        A policy on a metric type that is new is refused for up to ten minutes
        (terraform-provider-google#11102): tried again until ``timeout_s`` is over.

        Args:
            make_known: called once when its metric is not known; then it is tried again at once.

        Raises:
            CloudError: Cloud Monitoring refused it.
        """
        label = made["user_labels"][ALERT_LABEL]
        ends, pause_s = self._monotonic() + timeout_s, FIRST_PAUSE_S
        while True:
            try:
                return self._applied_now(label, made)
            except CloudNotFoundError as error:
                if make_known is not None:
                    make_known()
                    make_known = None
                    continue
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

    def _applied_now(self, label: str, made: Policy) -> str:
        from ..gcp.calling import call

        existing = self.find(label)
        if existing is not None and self._is_updated(existing, made):
            return str(existing.name)
        request = {"name": f"projects/{self.project}", "alert_policy": made}
        created = str(call("alert_policies", "create_alert_policy", request).name)
        log.info("alert policy %s (%s) created", made["display_name"], created)
        return self._the_only_one(label, created)

    def _is_updated(self, existing: Any, made: Policy) -> bool:
        """Bring the policy up to date; False when somebody deleted it meanwhile."""
        from ..gcp.calling import call

        if dict(existing.user_labels).get(DEFINITION_LABEL) == made["user_labels"][DEFINITION_LABEL]:
            return True
        try:
            call("alert_policies", "update_alert_policy", _update(existing, made))
        except CloudNotFoundError:
            if any(one.name == existing.name for one in self.ours()):
                raise  # what is not found is the metric
            return False
        log.info("alert policy %s (%s) updated", made["display_name"], existing.name)
        return True

    def find(self, label: str) -> Any | None:
        """Our policy with this alert label; the oldest, should there be several."""
        named = [one for one in self.ours() if dict(one.user_labels).get(ALERT_LABEL) == label]
        return min(named, key=_age, default=None)

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


def _age(policy: Any) -> tuple[float, str]:
    """The oldest first: two processes that look at the same policies keep the same one."""
    made = policy.creation_record.mutate_time
    return (made.timestamp() if made else 0.0, str(policy.name))


def _update(existing: Any, made: Policy) -> dict[str, Any]:
    """What is ours is written; what people did stays: labels, channels where we have none, switched off."""
    wanted = {**made, "user_labels": {**dict(existing.user_labels), **made["user_labels"]}}
    del wanted["enabled"]
    if not wanted["notification_channels"]:
        del wanted["notification_channels"]
    return {"alert_policy": {**wanted, "name": existing.name}, "update_mask": {"paths": sorted(wanted)}}
