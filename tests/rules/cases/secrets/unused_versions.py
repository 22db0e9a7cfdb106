"""Cases of the rule unused-versions: ten enabled ones, of which the newest is read, or the oldest."""

from genesis_performance.secrets.access import AccessFacts, SecretAccess
from genesis_performance.secrets.inventory import KeptSecret


def _facts(version: str) -> AccessFacts:
    secret = SecretAccess(
        resource="projects/p/secrets/db/versions/latest", reads=9, calls=9, version_changes=0, version=version
    )
    kept = KeptSecret(resource="projects/p/secrets/db", enabled=tuple(range(10, 0, -1)), disabled=())
    return AccessFacts(observed_s=100_000.0, cache_ttl_s=300.0, secrets=(secret,), kept=(kept,))


FIRES = _facts("10")
QUIET = _facts("1")
