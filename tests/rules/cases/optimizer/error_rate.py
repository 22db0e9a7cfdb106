"""Cases of the rule error-rate."""

from genesis_performance.optimizer.facts import ServiceFacts

_SHOP = {"service_name": "shop", "service_type": "cloud_run"}
FIRES = ServiceFacts(**_SHOP, error_rate=0.05, request_count=10_000.0)
# The same share of twenty requests is one error: no proof of anything.
QUIET = ServiceFacts(**_SHOP, error_rate=0.05, request_count=20.0)
