"""An ASGI application without a framework: reads in coroutines, and a batch."""

import json
import os

from genesis_performance.secrets import OptimizedSecretManager

secrets = OptimizedSecretManager("p")
secrets.start_optimization()


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await secrets.aclose()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/fresh":
        secrets.invalidate("api-key")
    value = await secrets.get_secret("slow" if scope["path"] == "/slow" else "api-key")
    batch = await secrets.get_secrets(["api-key", "db-password"])
    said = {"pid": os.getpid(), "value": value, "batch": dict(batch)}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(said).encode()})
