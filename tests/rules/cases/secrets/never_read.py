"""Cases of the rule never-read: nine secrets of a project, of which one is read, or all are."""

from genesis_performance.secrets.access import AccessFacts, SecretAccess
from genesis_performance.secrets.inventory import KeptSecret


def _facts(read: int) -> AccessFacts:
    return AccessFacts(
        observed_s=100_000.0,
        cache_ttl_s=300.0,
        secrets=tuple(
            SecretAccess(
                resource=f"projects/p/secrets/s{i}/versions/latest", reads=9, calls=1, version_changes=0
            )
            for i in range(read)
        ),
        kept=tuple(
            KeptSecret(resource=f"projects/p/secrets/s{i}", enabled=(1,), disabled=()) for i in range(9)
        ),
        lists_project=True,
    )


FIRES = _facts(read=1)
QUIET = _facts(read=9)
