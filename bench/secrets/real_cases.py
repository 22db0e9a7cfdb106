"""Against the emulator, with Google's own clients: ``python real_cases.py``; prints JSON.

Concurrent misses, a batch against one read after the other, and a population of secrets that is read and
rotated: an excerpt of the simulator's, with the managers' clock running faster than the wall's.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from bench.secrets.population import EXCERPT_S, SECRETS, excerpt
from genesis_performance import config, gcp
from genesis_performance.config.secret_manager import CacheStrategy, SecretManagerSection
from genesis_performance.emulator import SpawnedEmulator, spawn_emulator
from genesis_performance.secrets import OptimizedSecretManager
from genesis_performance.secrets.names import SecretName
from genesis_performance.secrets.outside import history_over_grpc

SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"
ACCESS = f"{SERVICE}/AccessSecretVersion"
ROUNDS = 5
READERS, SYNC_READERS, LOOPS = 200, 40, 4
BATCH, DELAY_MS = 40, 50
REAL_S = 60.0
SPEED = EXCERPT_S / REAL_S  # simulated seconds a second
PLAYERS = 4
USERS, ROTATIONS, ROTATED_EVERY_S, USE_EVERY_S = 8, 20, 0.25, 0.01
LOOK_S = 0.005  # between two looks for what is due: 3 s of the managers' clock


class Cloud:
    """The emulator as its administrator sees it."""

    def __init__(self, emulator: SpawnedEmulator) -> None:
        self._http = emulator.http

    def put(self, secret: str, payload: str) -> None:
        version = {"parent": f"projects/p/secrets/{secret}", "payload": {"data": payload.encode()}}
        gcp.call("secret_manager", "add_secret_version", version)

    def create(self, secret: str, payload: str) -> None:
        body = {"parent": "projects/p", "secret_id": secret, "secret": {"replication": {"automatic": {}}}}
        gcp.call("secret_manager", "create_secret", body)
        self.put(secret, payload)

    def accesses(self) -> int:
        return int(self._control("calls").get(ACCESS, 0))

    @contextmanager
    def late(self, delay_ms: float) -> Iterator[None]:
        """Every access takes that much longer."""
        self._control("faults", "POST", {"method": ACCESS, "delay_ms": delay_ms, "times": None})
        yield
        self._control("faults", "DELETE")

    def _control(self, path: str, method: str = "GET", body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"http://{self._http}/control/{path}", data, method=method)
        with urllib.request.urlopen(asked) as answer:
            return json.loads(answer.read() or b"{}")


def together(work: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def concurrent_misses(cloud: Cloud) -> int:
    """Most calls of any round in which 200 readers, threads and coroutines on four loops, miss at once."""
    cloud.create("shared", "value")
    most = 0
    for _ in range(ROUNDS):
        with OptimizedSecretManager("p") as manager, cloud.late(200):
            before, ready = cloud.accesses(), threading.Barrier(SYNC_READERS + LOOPS)
            values: list[str] = []

            async def many(manager: OptimizedSecretManager = manager) -> list[str]:
                share = (READERS - SYNC_READERS) // LOOPS
                return await asyncio.gather(*(manager.get_secret("shared") for _ in range(share)))

            def one(
                manager: OptimizedSecretManager = manager,
                ready: threading.Barrier = ready,
                values: list[str] = values,
            ) -> None:
                ready.wait()
                values.append(manager.get_secret_sync("shared"))

            def loop(
                ready: threading.Barrier = ready, values: list[str] = values, many: Callable[..., Any] = many
            ) -> None:
                ready.wait()
                values.extend(asyncio.run(many()))

            together([one] * SYNC_READERS + [loop] * LOOPS)
            if values != ["value"] * READERS:
                raise RuntimeError(f"{len(values)} of {READERS} readers got the value")
            most = max(most, cloud.accesses() - before)
    return most


def batches(cloud: Cloud) -> dict[str, float]:
    """Seconds for forty secrets, each late by 50 ms: one after the other, and as a batch; medians."""
    names = [f"batch-{number}" for number in range(BATCH)]
    for name in names:
        cloud.create(name, name)
    wanted = {name: name for name in names}

    def serial(manager: OptimizedSecretManager) -> dict[str, str]:
        return {name: manager.get_secret_sync(name) for name in names}

    ways: dict[str, Callable[[OptimizedSecretManager], dict[str, str]]] = {
        "serial": serial,
        "sync": lambda manager: manager.get_secrets_sync(names),
        "await": lambda manager: asyncio.run(manager.get_secrets(names)),
    }
    taken: dict[str, list[float]] = {way: [] for way in ways}
    with cloud.late(DELAY_MS):
        for _ in range(ROUNDS):
            for way, read in ways.items():
                with OptimizedSecretManager("p") as manager:
                    begin = time.perf_counter()
                    if read(manager) != wanted:
                        raise RuntimeError(f"{way}: other values")
                    taken[way].append(time.perf_counter() - begin)
    return {way: statistics.median(values) for way, values in taken.items()}


@dataclass
class Played:
    """What one manager did in the real run."""

    reads: int = 0
    stale: int = 0
    blocked: int = 0
    calls: int = 0


def play(cloud: Cloud) -> dict[str, dict[str, int]]:
    """An excerpt of the population, read through managers of three kinds at the same moments."""
    traces = [excerpt(number) for number in range(SECRETS)]
    current = [1] * SECRETS  # version of each secret, once the emulator has it
    for number in range(SECRETS):
        cloud.create(f"s{number}", "1")
    clock = FastClock()
    managers = {
        "on demand": _manager(clock, SecretManagerSection(cache_strategy=CacheStrategy.TTL)),
        "hard": _manager(clock, SecretManagerSection()),
        "soft": _manager(clock, SecretManagerSection(max_staleness_s=3600.0)),
    }
    for kind in ("hard", "soft"):
        managers[kind].start_optimization()
    played = {kind: [Played() for _ in range(PLAYERS)] for kind in managers}

    def rotate() -> None:
        for at, number in sorted((at, n) for n, one in enumerate(traces) for at in one.rotations):
            _sleep_until(at, clock)
            cloud.put(f"s{number}", str(current[number] + 1))
            current[number] += 1

    def player(which: int) -> Callable[[], None]:
        mine = sorted((at, n) for n in range(which, SECRETS, PLAYERS) for at in traces[n].reads)

        def run() -> None:
            for at, number in mine:
                _sleep_until(at, clock)
                known, name = current[number], f"s{number}"
                for kind, manager in managers.items():
                    value = manager.get_secret_sync(name)
                    played[kind][which].reads += 1
                    played[kind][which].stale += int(value) < known

        return run

    ended = threading.Event()

    def refresh() -> None:
        while not ended.wait(LOOK_S):
            for manager in managers.values():
                manager.refresh_due()

    refreshing = threading.Thread(target=refresh)
    refreshing.start()
    together([rotate, *map(player, range(PLAYERS))])
    ended.set()
    refreshing.join()
    found = {}
    for kind, manager in managers.items():
        summary = manager.get_performance_report()["performance_summary"]
        parts = played[kind]
        total = Played(
            sum(part.reads for part in parts),
            sum(part.stale for part in parts),
            summary["cache_misses"],
            summary["api_calls"],
        )
        found[kind] = asdict(total) | {"rotations": sum(current) - SECRETS}
        manager.close()
    return found


def rotated(cloud: Cloud) -> dict[str, float]:
    """Uses that fail per rotation, with eight threads that use a password which the server knows too."""
    found = {}
    for way in ("not reported", "reported", "with_secret"):
        cloud.create(_secret(way), "1")
        manager = _manager(FastClock(), SecretManagerSection())
        manager.start_optimization()
        server = {"password": "1"}
        ended = threading.Event()
        failed = [0] * USERS

        def use(password: str, server: dict[str, str] = server) -> None:
            if password != server["password"]:
                raise PermissionError("wrong password")

        def one(
            way: str = way, manager: OptimizedSecretManager = manager, use: Callable[[str], None] = use
        ) -> None:
            if way == "with_secret":
                manager.with_secret_sync(_secret(way), use)
                return
            password = manager.get_secret_sync(_secret(way))
            version = manager.cached_version(_secret(way))
            try:
                use(password)
            except PermissionError:
                if way == "reported":
                    manager.invalidate(_secret(way), version)
                raise

        def user(
            which: int,
            failed: list[int] = failed,
            one: Callable[[], None] = one,
            ended: threading.Event = ended,
        ) -> None:
            while not ended.wait(USE_EVERY_S):
                try:
                    one()
                except PermissionError:
                    failed[which] += 1

        def administrator(
            way: str = way, server: dict[str, str] = server, ended: threading.Event = ended
        ) -> None:
            for number in range(2, 2 + ROTATIONS):
                time.sleep(ROTATED_EVERY_S)
                cloud.put(_secret(way), str(number))
                server["password"] = str(number)
            time.sleep(ROTATED_EVERY_S)
            ended.set()

        together([administrator, *(partial(user, which) for which in range(USERS))])
        manager.close()
        found[way] = sum(failed) / ROTATIONS
    return found


def _secret(way: str) -> str:
    return f"used-{way.replace(' ', '-')}"


class FastClock:
    """Seconds since it was made, ``SPEED`` of them a second."""

    def __init__(self) -> None:
        self._begin = time.time()

    def __call__(self) -> float:
        return (time.time() - self._begin) * SPEED

    def history(self, name: SecretName, timeout_s: float) -> list[float]:
        """Create times of versions, on this clock."""
        return [(at - self._begin) * SPEED for at in history_over_grpc(name, timeout_s)]


def _manager(clock: FastClock, section: SecretManagerSection) -> OptimizedSecretManager:
    """With a pool from outside the manager starts no thread; its pauses would not be shortened."""
    pool = ThreadPoolExecutor(section.max_concurrency)
    return OptimizedSecretManager(
        "p", clock=clock, wall_clock=clock, history=clock.history, config=section, executor=pool
    )


def _sleep_until(at: float, clock: Callable[[], float]) -> None:
    if (left := (at - clock()) / SPEED) > 0:
        time.sleep(left)


def main() -> None:
    with spawn_emulator() as emulator:
        os.environ["GENESIS_PERF_EMULATOR"] = emulator.grpc
        config.reset()
        cloud = Cloud(emulator)
        found = {
            "misses": concurrent_misses(cloud),
            "batches": batches(cloud),
            "rotated": rotated(cloud),
            "played": play(cloud),
        }
        gcp.close_all()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
