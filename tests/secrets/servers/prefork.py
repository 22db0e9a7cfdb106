"""A WSGI application whose manager is made, and used, before gunicorn forks its workers."""

import json
import os

from genesis_performance.secrets import OptimizedSecretManager

secrets = OptimizedSecretManager("p", cache_ttl_s=float(os.environ.get("TTL_S", "300")))
secrets.start_optimization()
before_fork = secrets.get_secret_sync("api-key")


def app(environ, start_response):
    """``/``: as cached; ``/fresh``: read anew by this worker; ``/slow``: a secret of its own."""
    path = environ["PATH_INFO"]
    if path == "/fresh":
        secrets.invalidate("api-key")
    value = secrets.get_secret_sync("slow" if path == "/slow" else "api-key")
    report = secrets.get_performance_report()
    said = {
        "pid": os.getpid(),
        "value": value,
        "before_fork": before_fork,
        "refreshing": report["settings"]["background_optimization"],
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(said).encode()]
