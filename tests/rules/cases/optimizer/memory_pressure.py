"""Cases of the rule memory-pressure."""

from genesis_performance.optimizer.facts import ServiceFacts

_SHOP = {"service_name": "shop", "service_type": "cloud_run"}
FIRES = ServiceFacts(**_SHOP, memory_utilization=0.7, memory_utilization_max=0.97)
QUIET = ServiceFacts(**_SHOP, memory_utilization=0.7, memory_utilization_max=0.8)
