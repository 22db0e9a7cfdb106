"""Cases of the rule identical-reads."""

from genesis_performance.model.operation import RepeatedCall
from genesis_performance.optimizer.facts import ServiceFacts


def _repeat(executions: int, calls: int) -> RepeatedCall:
    return RepeatedCall(
        operation="POST /checkout",
        kind="secret read",
        key="tax-api-key",
        file="shop/checkout.py",
        line=42,
        function="price_line",
        executions=executions,
        calls=calls,
        most=12,
        duration_ns=calls * 3_000_000,
    )


def _facts(repeat: RepeatedCall) -> ServiceFacts:
    return ServiceFacts(
        service_name="shop", service_type="cloud_run", repeated_calls=(repeat,), observed_s=3600.0
    )


FIRES = _facts(_repeat(executions=500, calls=4000))
QUIET = _facts(_repeat(executions=1, calls=2))  # once may be a retry
