"""A Secret Manager made of a dictionary, a clock that is turned by hand, and settings of each test's own."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from types import SimpleNamespace

import pytest

from genesis_performance import config, gcp
from genesis_performance.config.loading import VARIABLES
from genesis_performance.errors import CloudConflictError, CloudNotFoundError
from genesis_performance.gcp.secret_version import SecretVersion
from genesis_performance.secrets import OptimizedSecretManager


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in (*VARIABLES, "GENESIS_PERF_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    config.reset()
    yield
    gcp.close_all()
    config.reset()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Inline(Executor):
    """Runs at once what would run in the background."""

    def submit(self, fn, /, *args, **kwargs) -> Future:
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def until(condition: Callable[[], object]) -> None:
    """Another thread makes it true."""
    waited, ends = threading.Event(), time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends, "it did not come true within a minute"
        waited.wait(0.002)


class Vault:
    """Versions by secret, calls counted, errors planted; ``access`` is what a manager reads from.

    ``hold`` is called within each read: what it waits for happens while the read is on its way.
    """

    def __init__(self) -> None:
        self.versions: dict[str, list[bytes]] = {}
        self.calls: Counter[str] = Counter()
        self.errors: dict[str, Exception] = {}
        self.delay_s = 0.0
        self.hold: Callable[[], object] = lambda: None
        self.most_at_once = 0
        self._inside = 0
        self._lock = threading.Lock()

    def put(self, secret: str, payload: bytes | str) -> None:
        data = payload if isinstance(payload, bytes) else payload.encode()
        self.versions.setdefault(secret, []).append(data)

    def access(self, name, timeout_s: float) -> SecretVersion:
        with self._lock:
            self.calls[name.secret] += 1
            self._inside += 1
            self.most_at_once = max(self.most_at_once, self._inside)
        try:
            time.sleep(self.delay_s)
            self.hold()
            if name.secret in self.errors:
                raise self.errors[name.secret]
            versions = self.versions.get(name.secret)
            if versions is None:
                raise CloudNotFoundError(f"{name.resource}: NOT_FOUND", code="NOT_FOUND")
            number = len(versions) if name.version == "latest" else int(name.version)
            return SecretVersion(f"{name.parent}/versions/{number}", versions[number - 1])
        finally:
            with self._lock:
                self._inside -= 1

    @property
    def total(self) -> int:
        return self.calls.total()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault() -> Vault:
    vault = Vault()
    vault.put("db-password", "hunter2")
    vault.put("api-key", "k-123")
    return vault


@pytest.fixture
def manager(vault: Vault, clock: Clock) -> Iterator[OptimizedSecretManager]:
    with OptimizedSecretManager("p", access=vault.access, clock=clock) as manager:
        yield manager


@pytest.fixture
def make(vault: Vault, clock: Clock) -> Iterator[Callable[..., OptimizedSecretManager]]:
    made: list[OptimizedSecretManager] = []

    def make(**options) -> OptimizedSecretManager:
        options = {"access": vault.access, "clock": clock, "project_id": "p"} | options
        made.append(OptimizedSecretManager(**options))
        return made[-1]

    yield make
    for manager in made:
        manager.close()


@pytest.fixture
def driven(make) -> Callable[..., OptimizedSecretManager]:
    """Managers that refresh ahead without threads, with chance in the middle."""

    def driven(**options) -> OptimizedSecretManager:
        manager = make(**({"executor": Inline(), "chance": lambda: 0.5} | options))
        manager.start_optimization()
        return manager

    return driven


@pytest.fixture
def cloud(genesis_emulator) -> SimpleNamespace:
    """The emulator as Secret Manager's administrator sees it."""
    config.reset()

    def put(secret: str, payload: bytes, project: str = "p") -> None:
        parent = f"projects/{project}"
        with contextlib.suppress(CloudConflictError):
            gcp.call(
                "secret_manager",
                "create_secret",
                {"parent": parent, "secret_id": secret, "secret": {"replication": {"automatic": {}}}},
            )
        gcp.call(
            "secret_manager",
            "add_secret_version",
            {"parent": f"{parent}/secrets/{secret}", "payload": {"data": payload}},
        )

    def accesses() -> int:
        return genesis_emulator.calls().get(
            "google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion", 0
        )

    return SimpleNamespace(emulator=genesis_emulator, put=put, accesses=accesses)
