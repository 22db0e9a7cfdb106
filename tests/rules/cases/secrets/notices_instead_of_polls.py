"""Cases of the rule notices-instead-of-polls: a hundred secrets, each polled every five minutes for a day."""

from genesis_performance.secrets.access import AccessFacts, SecretAccess


def _facts(*, hears_notices: bool) -> AccessFacts:
    secrets = tuple(
        SecretAccess(
            resource=f"projects/p/secrets/tenant-{i}/versions/latest",
            reads=50_000,
            calls=288,
            version_changes=0,
        )
        for i in range(100)
    )
    return AccessFacts(observed_s=86_400.0, cache_ttl_s=300.0, hears_notices=hears_notices, secrets=secrets)


FIRES = _facts(hears_notices=False)
QUIET = _facts(hears_notices=True)
