"""Cases of the rule idle-cpu."""

from genesis_performance.optimizer.facts import ServiceFacts

_SHOP = {"service_name": "shop", "service_type": "cloud_run", "vcpu": 4.0}
FIRES = ServiceFacts(
    **_SHOP,
    cpu_utilization=0.06,
    cpu_utilization_p99=0.25,
    billable_instance_seconds=604_800.0,
    window_s=604_800.0,
)
# Idle on average, but the peaks need all of it.
QUIET = ServiceFacts(**_SHOP, cpu_utilization=0.06, cpu_utilization_p99=0.7)
