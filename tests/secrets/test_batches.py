from __future__ import annotations

import asyncio
import pickle
import threading

import pytest

from genesis_performance.errors import CloudError, CloudNotFoundError, CloudPermissionError, InvalidInputError
from genesis_performance.secrets import SecretBatchError

from .conftest import until


async def test_a_batch_returns_every_secret_by_its_name(manager):
    assert await manager.get_secrets(["db-password", "api-key"]) == {
        "db-password": "hunter2",
        "api-key": "k-123",
    }


def test_a_batch_returns_every_secret_by_its_name_without_a_loop(manager):
    assert manager.get_secrets_sync(["db-password", "api-key"]) == {
        "db-password": "hunter2",
        "api-key": "k-123",
    }


async def test_names_given_twice_are_read_once(manager, vault):
    await manager.get_secrets(["db-password"] * 5)
    assert vault.total == 1


async def test_what_is_cached_is_not_read_again(manager, vault):
    await manager.get_secrets(["db-password", "api-key"])
    await manager.get_secrets(["db-password", "api-key"])
    assert vault.total == 2


async def test_the_values_come_in_the_order_of_the_names(manager):
    manager.get_secret_sync("api-key")
    assert list(await manager.get_secrets(["db-password", "api-key"])) == ["db-password", "api-key"]


async def test_an_empty_batch_is_empty(manager, vault):
    assert await manager.get_secrets([]) == {}
    assert manager.get_secrets_sync(()) == {}
    assert vault.total == 0


@pytest.mark.parametrize("wrong", ["db-password", b"x", 7, None, [["a"]]])
def test_a_batch_of_something_else_is_refused(manager, wrong):
    with pytest.raises(InvalidInputError):
        manager.get_secrets_sync(wrong)


async def test_a_malformed_name_stops_the_batch_before_any_call(manager, vault):
    with pytest.raises(InvalidInputError):
        await manager.get_secrets(["db-password", "no good"])
    assert vault.total == 0


@pytest.mark.parametrize("sync", [True, False])
def test_at_most_twenty_are_read_at_once(manager, vault, sync):
    vault.hold = lambda: until(lambda: vault.most_at_once >= 8)
    names = [f"s{i}" for i in range(50)]
    for name in names:
        vault.put(name, name)
    found = manager.get_secrets_sync(names) if sync else asyncio.run(manager.get_secrets(names))
    assert list(found) == names
    assert 8 <= vault.most_at_once <= 20


@pytest.mark.parametrize("sync", [True, False])
def test_failures_are_named_and_the_others_are_in_results(manager, vault, sync):
    vault.errors["api-key"] = CloudPermissionError("api-key: PERMISSION_DENIED", code="PERMISSION_DENIED")
    names = ["db-password", "api-key", "nowhere"]
    with pytest.raises(SecretBatchError, match="2 of 3") as caught:
        manager.get_secrets_sync(names) if sync else asyncio.run(manager.get_secrets(names))
    assert caught.value.results == {"db-password": "hunter2"}
    assert isinstance(caught.value.failures["api-key"], CloudPermissionError)
    assert isinstance(caught.value.failures["nowhere"], CloudNotFoundError)
    assert isinstance(caught.value, CloudError)


def test_a_payload_that_is_no_text_is_a_failure_of_its_own(manager, vault):
    vault.put("der", b"\xff")
    with pytest.raises(SecretBatchError, match="get_secret_bytes") as caught:
        manager.get_secrets_sync(["der", "api-key"])
    assert caught.value.results == {"api-key": "k-123"}


def test_the_values_of_a_batch_do_not_show_themselves(manager):
    values = manager.get_secrets_sync(["db-password"])
    assert "hunter2" not in repr(values)
    assert "hunter2" not in f"{values}"
    with pytest.raises(TypeError):
        pickle.dumps(values)
    assert dict(values) == {"db-password": "hunter2"}


async def test_a_cancelled_batch_starts_no_more_reads(manager, vault):
    go_on = threading.Event()
    vault.hold = lambda: go_on.wait(60)
    names = [f"s{i}" for i in range(200)]
    for name in names:
        vault.put(name, name)
    task = asyncio.create_task(manager.get_secrets(names))
    while not vault.total:
        await asyncio.sleep(0.001)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.1)
    assert vault.total <= 32


def test_ten_thousand_names_are_read(make, vault):
    manager = make(cache_size=1000)
    names = [f"s{i}" for i in range(10_000)]
    for name in names:
        vault.put(name, name)
    assert len(manager.get_secrets_sync(names)) == 10_000
    assert manager.get_performance_report()["performance_summary"]["entries"] <= 1000
