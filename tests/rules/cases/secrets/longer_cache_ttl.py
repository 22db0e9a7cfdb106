"""Cases of the rule longer-cache-ttl."""

from genesis_performance.secrets.access import AccessFacts, SecretAccess


def _facts(version_changes: int) -> AccessFacts:
    secret = SecretAccess(
        resource="projects/p/secrets/tax-api-key/versions/latest",
        reads=50_000,
        calls=20_000,
        version_changes=version_changes,
    )
    return AccessFacts(observed_s=86_400.0, cache_ttl_s=0.0, secrets=(secret,))


FIRES = _facts(version_changes=0)
QUIET = _facts(version_changes=3)  # read again because it does change
