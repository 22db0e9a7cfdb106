"""Cases of the rule concurrency-limit."""

from genesis_performance.optimizer.facts import ServiceFacts

_SHOP = {"service_name": "shop", "service_type": "cloud_run", "vcpu": 1.0}
FIRES = ServiceFacts(**_SHOP, concurrency=4.0, cpu_utilization=0.07)
QUIET = ServiceFacts(**_SHOP, concurrency=4.0, cpu_utilization=0.5)
