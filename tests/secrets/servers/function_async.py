"""A Cloud Function as a coroutine (``functions_framework --asgi``)."""

import os

from genesis_performance.secrets import OptimizedSecretManager

secrets = OptimizedSecretManager("p")


async def handle(request):
    if request.query_params.get("fresh"):
        secrets.invalidate("api-key")
    return {"pid": os.getpid(), "value": await secrets.get_secret("api-key")}
