"""The canary: a payload appears nowhere but where its caller asked for it."""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
import io
import json
import logging
import pickle
import traceback

import pytest

from genesis_performance.config.secret_manager import SecretManagerSection
from genesis_performance.errors import CloudError, CloudPermissionError, CloudUnavailableError
from genesis_performance.operations import Recorder
from genesis_performance.secrets import OptimizedSecretManager

CANARY = "canary-7Q9x-Zb3k-payload"
FORMS = (
    CANARY,
    base64.b64encode(CANARY.encode()).decode().rstrip("="),
    CANARY.encode().hex(),
    hashlib.sha256(CANARY.encode()).hexdigest(),
)


def leaks(text: str) -> list[str]:
    return [form for form in FORMS if form in text]


@pytest.fixture
def log():
    """Everything logged at DEBUG, record attributes included."""
    written = io.StringIO()

    class Everything(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.write(f"{record.getMessage()} {record.__dict__!r}\n")
            if record.exc_info:
                written.write(logging.Formatter().formatException(record.exc_info))

    handler = Everything()
    loggers = [logging.getLogger(), logging.getLogger("google")]  # Google's does not propagate
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield written
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


def parts_of(manager: OptimizedSecretManager):
    reading, refresher, _notices = manager._lifetime._parts
    slots = reading.cache.slots()
    return [
        manager,
        manager._lifetime,
        reading,
        refresher,
        reading.cache,
        *slots,
        *(slot.entry for slot in slots),
    ]


def frames_of(error: BaseException) -> str:
    """A traceback with the locals of every frame of ours, causes and contexts followed."""
    text, seen = [], set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        text.append(f"{error!r} {error.args!r} {vars(error)!r}")
        for frame, _line in traceback.walk_tb(error.__traceback__):
            if "genesis_performance" in frame.f_code.co_filename:
                text.append(repr(frame.f_locals))
                inside = [value for value in frame.f_locals.values() if isinstance(value, dict)]
                text.append(repr([list(mapping.items()) for mapping in inside]))  # as error trackers do
        error = error.__cause__ or error.__context__
    return "\n".join(text)


def test_nothing_of_the_cache_shows_a_payload(make, vault):
    vault.put("canary", CANARY)
    manager = make()
    assert manager.get_secret_sync("canary") == CANARY
    for part in parts_of(manager):
        assert not leaks(repr(part) + str(part) + f"{part}")
        assert not leaks(repr(getattr(part, "__dict__", "")))


def test_nothing_of_the_cache_is_pickled_or_copied(make, vault):
    vault.put("canary", CANARY)
    manager = make()
    manager.get_secret_sync("canary")
    entry = parts_of(manager)[-1]
    for thing in (manager, entry):
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="pickled or copied"):
                attempt(thing)


def test_reports_hold_no_payload(make, vault, clock):
    vault.put("canary", CANARY)
    manager = make(cache_ttl_s=0)
    recorder = Recorder()
    with recorder.operation("checkout"):
        for _ in range(2000):
            manager.get_secret_sync("canary")
            clock.advance(1)
    assert not leaks(json.dumps(manager.get_performance_report()))
    advice = manager.get_cost_recommendations()
    assert advice
    assert not leaks(json.dumps(advice))
    assert not leaks(repr(recorder.repeated_calls()))


async def test_a_future_that_is_awaited_does_not_show_its_payload(make, vault):
    vault.put("canary", CANARY)
    vault.delay_s = 0.05
    manager = make()
    tasks = [asyncio.create_task(manager.get_secrets(["canary"])) for _ in range(3)]
    await asyncio.sleep(0.02)
    seen = [repr(task) for task in asyncio.all_tasks()]
    await asyncio.gather(*tasks)
    seen += [repr(task) for task in tasks]
    assert not leaks("\n".join(seen))


def test_a_payload_that_is_no_text_is_in_no_error(make, vault):
    vault.put("canary", CANARY.encode() + b"\xff")
    manager = make()
    with pytest.raises(ValueError, match="not UTF-8") as caught:
        manager.get_secret_sync("canary")
    assert not leaks(frames_of(caught.value))
    assert caught.value.__context__ is None


@pytest.mark.parametrize("sync", [True, False])
def test_a_failing_batch_shows_no_payload_of_the_others(make, vault, sync):
    vault.put("canary", CANARY)
    vault.errors["api-key"] = CloudPermissionError("no", code="PERMISSION_DENIED")
    manager = make()
    names = ["canary", "api-key"]
    with pytest.raises(CloudError) as caught:
        manager.get_secrets_sync(names) if sync else asyncio.run(manager.get_secrets(names))
    assert caught.value.results == {"canary": CANARY}
    assert not leaks(frames_of(caught.value))
    assert not leaks("".join(traceback.format_exception(caught.value)))
    with pytest.raises(TypeError):
        pickle.dumps(caught.value)


def test_serving_stale_in_an_outage_logs_no_payload(make, vault, clock, log):
    vault.put("canary", CANARY)
    manager = make(config=SecretManagerSection(cache_ttl_s=10, stale_if_error_s=100))
    manager.get_secret_sync("canary")
    vault.errors["canary"] = CloudUnavailableError("down", code="UNAVAILABLE")
    clock.advance(11)
    assert manager.get_secret_sync("canary") == CANARY
    assert "serving canary as of 11 s ago" in log.getvalue()
    assert not leaks(log.getvalue())


def test_over_the_wire_at_debug_nothing_leaks(cloud, log):
    cloud.put("canary", CANARY.encode())
    with OptimizedSecretManager("p", cache_ttl_s=0) as manager:
        assert manager.get_secret_sync("canary") == CANARY
        assert asyncio.run(manager.get_secret("canary")) == CANARY
        errors: list[CloudError | None] = []
        for code in ("UNAVAILABLE", "PERMISSION_DENIED", "INTERNAL", "FAILED_PRECONDITION"):
            cloud.emulator.fail(
                "google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion", code, times=1
            )
            errors.append(_error_of(manager, "canary"))
        with pytest.raises(CloudError) as caught:
            manager.get_secrets_sync(["canary", "nowhere"])
        for error in (*errors, caught.value):
            assert not leaks(frames_of(error))
        assert [error.code for error in errors if error] == ["PERMISSION_DENIED", "FAILED_PRECONDITION"]
        for part in parts_of(manager):
            assert not leaks(repr(part))
    written = log.getvalue()
    assert "AccessSecretVersion" in written, "Google's client logs at DEBUG; else this proves nothing"
    assert not leaks(written)


def _error_of(manager: OptimizedSecretManager, name: str) -> CloudError | None:
    try:
        manager.get_secret_sync(name)
    except CloudError as error:
        return error
    return None
