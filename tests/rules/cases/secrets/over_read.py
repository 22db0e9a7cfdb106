"""Cases of the rule over-read: a day with a check every five minutes, which 289 accesses do."""

from genesis_performance.secrets.access import AccessFacts, SecretAccess


def _facts(calls: int) -> AccessFacts:
    secret = SecretAccess(
        resource="projects/p/secrets/db/versions/latest", reads=90_000, calls=calls, version_changes=0
    )
    return AccessFacts(observed_s=86_400.0, cache_ttl_s=300.0, secrets=(secret,))


FIRES = _facts(calls=40_000)
QUIET = _facts(calls=289)
