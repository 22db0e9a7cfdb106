"""Cases of the rule idle-memory."""

from genesis_performance.optimizer.facts import ServiceFacts

_SHOP = {"service_name": "shop", "service_type": "cloud_run"}
FIRES = ServiceFacts(
    **_SHOP,
    memory_gib=4.0,
    memory_utilization_max=0.2,
    billable_instance_seconds=604_800.0,
    window_s=604_800.0,
)
# Six vCPUs need 4 GiB, however little of it is used.
QUIET = ServiceFacts(**_SHOP, memory_gib=4.0, memory_utilization_max=0.2, vcpu=6.0)
