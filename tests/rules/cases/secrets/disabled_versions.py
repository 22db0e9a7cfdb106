"""Cases of the rule disabled-versions; the first six active versions are free."""

from genesis_performance.secrets.access import AccessFacts
from genesis_performance.secrets.inventory import KeptSecret


def _facts(disabled: tuple[int, ...]) -> AccessFacts:
    kept = KeptSecret(resource="projects/p/secrets/db", enabled=tuple(range(12, 4, -1)), disabled=disabled)
    return AccessFacts(observed_s=0.0, cache_ttl_s=300.0, secrets=(), kept=(kept,))


FIRES = _facts(disabled=(4, 3, 2, 1))
QUIET = _facts(disabled=())
