"""Reads show up in the operation that makes them, with the line of the host that asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from genesis_performance.operations import Recorder, tracking


def the_repeat(recorder):
    (repeat,) = recorder.repeated_calls()
    assert (repeat.kind, Path(repeat.file).name) == ("secret read", Path(__file__).name)
    return repeat, Path(__file__).read_text().splitlines()[repeat.line - 1]


def test_a_secret_read_per_line_item_is_seen_at_the_caller_s_line(make):
    manager, recorder = make(cache_ttl_s=0), Recorder()
    with recorder.operation("checkout"):
        for _ in range(5):
            manager.get_secret_sync("api-key")  # the line
    repeat, line = the_repeat(recorder)
    assert (repeat.key, repeat.calls, repeat.operation) == ("api-key", 5, "checkout")
    assert "# the line" in line


async def test_reads_of_a_coroutine_are_seen_at_the_caller_s_line(make):
    manager, recorder = make(cache_ttl_s=0), Recorder()
    with recorder.operation("checkout"):
        for _ in range(3):
            await manager.get_secret("api-key")  # the awaited line
    repeat, line = the_repeat(recorder)
    assert repeat.calls == 3
    assert "# the awaited line" in line


@pytest.mark.parametrize("sync", [True, False])
async def test_batches_are_noted_secret_by_secret(make, vault, sync):
    vault.delay_s = 0.01
    manager, recorder = make(cache_ttl_s=0), Recorder()
    with recorder.operation("checkout"):
        for _ in range(2):
            names = ["api-key", "db-password"]
            _ = manager.get_secrets_sync(names) if sync else await manager.get_secrets(names)
    repeats = {repeat.key: repeat for repeat in recorder.repeated_calls()}
    assert {key: repeat.calls for key, repeat in repeats.items()} == {"api-key": 2, "db-password": 2}
    assert all(repeat.duration_ns > 8_000_000 for repeat in repeats.values())


def test_hits_are_told_apart_from_reads_because_they_cost_nothing(manager, vault):
    vault.delay_s = 0.02
    recorder = Recorder()
    tracking.start_tracking()
    try:
        with recorder.operation("checkout"):
            for _ in range(3):
                manager.get_secret_sync("api-key")
    finally:
        tracking.stop_tracking()
    (repeat,) = recorder.repeated_calls()
    assert (repeat.kind, repeat.calls, repeat.duration_ns) == ("cached secret", 2, 0)


def test_hits_are_not_noted_while_nobody_profiles(manager):
    recorder = Recorder()
    with recorder.operation("checkout"):
        for _ in range(3):
            manager.get_secret_sync("api-key")
    assert not recorder.repeated_calls()
