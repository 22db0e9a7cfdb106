"""What the examples run against: the emulator that the environment names, or one started for this run."""

import contextlib
import os
import tempfile
from collections.abc import Iterator

PROJECT = "demo-project"


@contextlib.contextmanager
def local_cloud(**secrets: str) -> Iterator[str]:
    """A project with these secrets in it; underscores in their names stand for hyphens."""
    with contextlib.ExitStack() as stack:
        if not os.environ.get("GENESIS_PERF_EMULATOR"):
            from core.performance.emulator import spawn_emulator

            emulator = stack.enter_context(spawn_emulator())
            os.environ["GENESIS_PERF_EMULATOR"] = emulator.grpc
            os.environ["GENESIS_PERF_EMULATOR_HTTP"] = emulator.http
            folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            os.environ["GENESIS_PERF__MONITORING__BUFFER_DIR"] = folder
        for name, payload in secrets.items():
            _put_secret(os.environ["GENESIS_PERF_EMULATOR"], name.replace("_", "-"), payload)
        yield PROJECT


def _put_secret(address: str, name: str, payload: str) -> None:
    """Make a secret with Google's own client, as a deployment script would."""
    import grpc
    from google.api_core.exceptions import AlreadyExists
    from google.cloud import secretmanager_v1
    from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
        SecretManagerServiceGrpcTransport,
    )

    with grpc.insecure_channel(address) as channel:
        client = secretmanager_v1.SecretManagerServiceClient(
            transport=SecretManagerServiceGrpcTransport(channel=channel)
        )
        parent = f"projects/{PROJECT}"
        with contextlib.suppress(AlreadyExists):
            client.create_secret(
                parent=parent, secret_id=name, secret={"replication": {"automatic": {}}}, timeout=10
            )
        client.add_secret_version(
            parent=f"{parent}/secrets/{name}", payload={"data": payload.encode()}, timeout=10
        )
