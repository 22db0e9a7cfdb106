"""Prefork servers: a manager made and used before the fork goes on in both processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os, sys, threading, time
from genesis_performance.gcp.secret_version import SecretVersion
from genesis_performance.secrets import OptimizedSecretManager

calls = []
hold = threading.Event()

def access(name, timeout_s):
    calls.append(os.getpid())
    if name.secret == "slow":
        hold.wait(60)
    return SecretVersion(name.resource.replace("latest", "1"), b"v" + str(len(calls)).encode())

manager = OptimizedSecretManager("p", access=access, cache_ttl_s=CACHE_TTL_S)

def in_child(check):
    pid = os.fork()
    if pid == 0:
        try:
            check()
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    sys.exit("the child hangs")
"""


def run(body: str, ttl_s: float = 300) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT.replace("CACHE_TTL_S", str(ttl_s)) + body],
        env=os.environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def test_a_child_keeps_the_values_and_reads_on_its_own():
    run(
        """
assert manager.get_secret_sync("a") == "v1"
def check():
    assert manager.get_secret_sync("a") == "v1"
    assert manager.get_secret_sync("b") == "v2"
    assert len(manager.get_secrets_sync(["c", "d"])) == 2
in_child(check)
assert manager.get_secret_sync("b") == "v2"
"""
    )


def test_a_child_does_not_wait_for_a_read_of_its_parent():
    run(
        """
reader = threading.Thread(target=manager.get_secret_sync, args=("slow",), daemon=True)
reader.start()
while not calls:
    time.sleep(0.001)
def check():
    hold.set()
    assert manager.get_secret_sync("slow") == "v2"
in_child(check)
hold.set()
reader.join(60)
"""
    )


def test_a_child_does_not_inherit_a_held_lock():
    run(
        """
manager.get_secret_sync("a")
reading, refresher, _notices = manager._lifetime._parts
for part in (manager._lifetime, reading, reading._flights, refresher):
    part._lock.acquire()
reading.cache.lock.acquire()
reading.latencies.lock.acquire()
def check():
    assert manager.get_secret_sync("b") == "v2"
    assert len(manager.get_secrets_sync(["c", "d"])) == 2
    manager.start_optimization()
    manager.get_performance_report()
    manager.close()
in_child(check)
"""
    )


def test_the_background_thread_starts_anew_in_a_child():
    run(
        """
manager.start_optimization()
manager.get_secret_sync("a")
assert manager.get_performance_report()["settings"]["background_optimization"]
def check():
    assert not manager.get_performance_report()["settings"]["background_optimization"]
    deadline = time.monotonic() + 50
    while len(calls) < 4 and time.monotonic() < deadline:
        manager.get_secret_sync("a")
        time.sleep(0.005)
    assert manager.get_performance_report()["settings"]["background_optimization"]
    assert len(calls) >= 4
in_child(check)
manager.stop_optimization()
""",
        ttl_s=0.2,
    )


def test_a_child_does_not_rely_on_notices_that_only_its_parent_hears():
    run(
        """
from genesis_performance.config.secret_manager import SecretManagerSection
now = 0.0
manager = OptimizedSecretManager(
    "p", access=access, clock=lambda: now, config=SecretManagerSection(safety_poll_s=3600)
)
manager.rely_on_notices()
assert manager.get_secret_sync("a") == "v1"
def check():
    global now
    now = 300.0
    assert manager.get_secret_sync("a") == "v2"
in_child(check)
now = 300.0
assert manager.get_secret_sync("a") == "v1"
"""
    )


@pytest.mark.parametrize("workers", [4])
def test_prefork_workers_read_from_the_emulator(cloud, workers):
    cloud.put("api-key", b"k-123")
    script = f"""
import os, sys
from genesis_performance.secrets import OptimizedSecretManager
manager = OptimizedSecretManager("p")
assert manager.get_secret_sync("api-key") == "k-123"
pids = []
for _ in range({workers}):
    pid = os.fork()
    if pid == 0:
        manager.invalidate("api-key")
        os._exit(0 if manager.get_secret_sync("api-key") == "k-123" else 1)
    pids.append(pid)
assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * {workers}
manager.invalidate("api-key")
assert manager.get_secret_sync("api-key") == "k-123"
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert cloud.accesses() == workers + 2
