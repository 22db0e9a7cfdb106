"""Batches of one moment: a rotation in the middle is not half seen."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.errors import CloudConflictError, CloudPermissionError
from genesis_performance.gcp.secret_version import SecretVersion
from genesis_performance.secrets import OptimizedSecretManager, SecretBatchError

from .conftest import Inline

PAIR = ["db-user", "db-pass"]


@pytest.fixture
def pair(vault):
    for name in PAIR:
        vault.put(name, f"{name} 1")
    return vault


def rotating(vault, *, after: int, times: int = 1):
    """Reads that rotate the pair right after so many of them, so many times."""
    seen = 0

    def access(name, timeout_s):
        nonlocal seen, times
        version = vault.access(name, timeout_s)
        seen += 1
        if times and seen % after == 0:
            times -= 1
            for secret in PAIR:
                vault.put(secret, f"{secret} {len(vault.versions[secret]) + 1}")
        return version

    return access


def read(manager, sync: bool, names=PAIR):
    if sync:
        return manager.get_secrets_sync(names, atomic=True)
    return asyncio.run(manager.get_secrets(names, atomic=True))


def test_an_ordinary_batch_may_see_half_of_a_rotation(make, pair):
    manager = make(access=rotating(pair, after=1), executor=Inline())
    assert manager.get_secrets_sync(PAIR) == {"db-user": "db-user 1", "db-pass": "db-pass 2"}


@pytest.mark.parametrize("sync", [True, False])
def test_a_rotation_in_the_middle_is_seen_whole(make, pair, sync):
    manager = make(access=rotating(pair, after=1), executor=Inline())
    assert read(manager, sync) == {"db-user": "db-user 2", "db-pass": "db-pass 2"}


def test_each_secret_is_read_twice_when_nothing_changes(make, pair):
    manager = make(executor=Inline())
    assert read(manager, sync=True) == {"db-user": "db-user 1", "db-pass": "db-pass 1"}
    assert pair.calls == {"db-user": 2, "db-pass": 2}


def test_what_was_confirmed_is_not_read_a_third_time(make, pair):
    manager = make(executor=Inline())
    read(manager, sync=True)
    read(manager, sync=True)
    assert pair.calls == {"db-user": 2, "db-pass": 2}


def test_a_cached_half_from_before_a_rotation_is_read_again(make, pair):
    manager = make(executor=Inline())
    manager.get_secret_sync("db-user")
    for name in PAIR:
        pair.put(name, f"{name} 2")
    assert read(manager, sync=True) == {"db-user": "db-user 2", "db-pass": "db-pass 2"}


def test_a_single_secret_needs_no_second_read(make, pair):
    manager = make(executor=Inline())
    read(manager, sync=True, names=["db-user"])
    assert pair.total == 1


@pytest.mark.parametrize("sync", [True, False])
def test_a_rotation_that_does_not_end_is_an_error_that_says_so(make, pair, sync):
    manager = make(access=rotating(pair, after=1, times=1000), executor=Inline())
    with pytest.raises(CloudConflictError, match=r"changed while they were read.*db-"):
        read(manager, sync)


@pytest.mark.parametrize("sync", [True, False])
def test_all_or_nothing_when_one_is_denied(make, pair, sync):
    pair.errors["db-pass"] = CloudPermissionError("no", code="PERMISSION_DENIED")
    manager = make(executor=Inline())
    with pytest.raises(SecretBatchError, match="1 of 2") as caught:
        read(manager, sync)
    assert caught.value.results == {}
    assert list(caught.value.failures) == ["db-pass"]


@given(st.integers(0, 10**6), st.integers(2, 5), st.floats(0.0, 0.6))
def test_the_versions_returned_were_all_there_at_one_moment(seed, secrets, rotation_chance):
    """Random rotations between and around reads; the moments of each set of versions are kept."""
    rng = random.Random(seed)
    names = [f"s{i}" for i in range(secrets)]
    current = dict.fromkeys(names, 1)
    moments = [dict(current)]

    def rotate() -> None:
        while rng.random() < rotation_chance:
            current[rng.choice(names)] += 1
            moments.append(dict(current))

    def access(name, timeout_s):
        rotate()
        number = current[name.secret]
        rotate()
        return SecretVersion(f"{name.parent}/versions/{number}", str(number).encode())

    with OptimizedSecretManager("p", access=access, executor=Inline()) as manager:
        for name in rng.sample(names, rng.randrange(secrets)):
            manager.get_secret_sync(name)
        try:
            found = manager.get_secrets_sync(names, atomic=True)
        except CloudConflictError:
            return
        assert {name: int(value) for name, value in found.items()} in moments
