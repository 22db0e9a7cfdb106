"""A Cloud Function in its usual form: a manager at module level, a plain function."""

import os

from genesis_performance.secrets import OptimizedSecretManager

secrets = OptimizedSecretManager("p")


def handle(request):
    if request.args.get("fresh"):
        secrets.invalidate("api-key")
    return {"pid": os.getpid(), "value": secrets.get_secret_sync("api-key")}
