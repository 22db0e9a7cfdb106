from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest

from genesis_performance.errors import CloudUnavailableError

from .conftest import until


def joined(manager) -> int:
    return manager.get_performance_report()["performance_summary"]["joined_reads"]


def test_two_hundred_misses_from_threads_and_loops_make_one_call(manager, vault):
    vault.hold = lambda: until(lambda: joined(manager))
    start = threading.Barrier(20)

    async def many() -> list[str]:
        return await asyncio.gather(*(manager.get_secret("db-password") for _ in range(10)))

    def on_a_loop() -> list[str]:
        start.wait()
        return asyncio.run(many())

    def in_a_thread() -> list[str]:
        start.wait()
        return [manager.get_secret_sync("db-password") for _ in range(10)]

    with ThreadPoolExecutor(20) as pool:
        jobs = [pool.submit(on_a_loop if i % 2 else in_a_thread) for i in range(20)]
        values = [value for job in jobs for value in job.result()]
    assert values == ["hunter2"] * 200
    assert vault.total == 1


async def test_a_cancelled_waiter_does_not_cancel_the_read_for_the_others(manager, vault):
    go_on = threading.Event()
    vault.hold = lambda: go_on.wait(60)
    first = asyncio.create_task(manager.get_secret("db-password"))
    second = asyncio.create_task(manager.get_secret("db-password"))
    while not joined(manager):
        await asyncio.sleep(0.001)
    first.cancel()
    go_on.set()
    assert await second == "hunter2"
    assert vault.total == 1
    with pytest.raises(asyncio.CancelledError):
        await first


def test_each_waiter_gets_its_own_copy_of_the_error(manager, vault):
    vault.hold = lambda: until(lambda: joined(manager) == 3)
    vault.errors["db-password"] = CloudUnavailableError("down", code="UNAVAILABLE")
    caught = []

    def read() -> None:
        try:
            manager.get_secret_sync("db-password")
        except CloudUnavailableError as error:
            caught.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(error) for error in caught}) == 4
    assert {error.code for error in caught} == {"UNAVAILABLE"}


def test_a_reader_that_is_interrupted_leaves_no_waiter_behind(make, vault):
    inside, release = threading.Event(), threading.Event()

    def interrupted(name, timeout_s):
        inside.set()
        release.wait(60)
        raise KeyboardInterrupt

    manager = make(access=interrupted)
    caught: list[BaseException] = []

    def read() -> None:
        try:
            manager.get_secret_sync("db-password")
        except BaseException as error:
            caught.append(error)

    leader = threading.Thread(target=read)
    leader.start()
    inside.wait(60)
    waiter = threading.Thread(target=read)
    waiter.start()
    release.set()
    leader.join(60)
    waiter.join(60)
    assert not waiter.is_alive()
    assert any(isinstance(error, KeyboardInterrupt) for error in caught)


def test_a_value_invalidated_on_its_way_is_not_kept(make, vault):
    sent, release = threading.Event(), threading.Event()

    def held(name, timeout_s):
        version = vault.access(name, timeout_s)
        if vault.total == 1:
            sent.set()
            release.wait(60)
        return version

    manager = make(access=held)
    with ThreadPoolExecutor(1) as pool:
        old = pool.submit(manager.get_secret_sync, "db-password")
        sent.wait(60)
        vault.put("db-password", "new")
        manager.invalidate("db-password")
        assert manager.get_secret_sync("db-password") == "new"
        release.set()
        assert old.result() == "hunter2"
    assert manager.get_secret_sync("db-password") == "new"
    assert vault.total == 2


async def test_a_read_from_before_an_invalidation_does_not_replace_one_from_after_it(make, vault):
    """However late it is sent, and whichever lands first."""
    jobs = []

    class Held(Executor):
        def submit(self, fn, /, *args, **kwargs) -> Future:
            jobs.append(fn)
            return Future()

    def overtaken(name, timeout_s):
        version = vault.access(name, timeout_s)
        if jobs:
            vault.put("db-password", "new")
            jobs.pop()()
        return version

    manager = make(access=overtaken, executor=Held())
    before = asyncio.create_task(manager.get_secret("db-password"))
    await asyncio.sleep(0)
    manager.invalidate("db-password")
    after = asyncio.create_task(manager.get_secret("db-password"))
    await asyncio.sleep(0)
    jobs.pop(0)()
    assert (await before, await after) == ("hunter2", "new")
    assert manager.get_secret_sync("db-password") == "new"


def test_after_an_invalidation_nobody_gets_a_value_from_before_it(make, vault):
    """While other threads read, refresh and are in the middle of reads."""
    manager = make(clock=time.monotonic, cache_ttl_s=0.01)
    manager.start_optimization()
    vault.put("turning", "1")
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            manager.get_secret_sync("turning")

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        try:
            for i in range(2, 300):
                vault.put("turning", str(i))
                if i % 2:
                    manager.invalidate("turning")
                else:
                    manager.secret_changed("projects/p/secrets/turning")
                assert int(manager.get_secret_sync("turning")) == i
        finally:
            stop.set()
        for reader in readers:
            reader.result()


def test_closing_ends_the_reads_on_their_way(make, vault):
    release = threading.Event()
    vault.hold = lambda: release.wait(60)
    manager = make()

    async def wait() -> None:
        reader = asyncio.create_task(manager.get_secret("db-password"))
        while not vault.total:
            await asyncio.sleep(0.001)
        manager.close()
        with pytest.raises(CloudUnavailableError, match="closed"):
            await reader

    asyncio.run(wait())
    release.set()
