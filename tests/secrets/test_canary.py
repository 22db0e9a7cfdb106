"""One secret through everything that leaves something behind; then every trace is searched for its payload.

``test_hygiene`` looks at each part of the cache by itself; here is the whole service: its logs at DEBUG, its
files, its metrics, its profile, its reports and whatever is raised.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import gc
import hashlib
import json
import logging
import pickle
import threading
import traceback
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from genesis_performance import config, gcp
from genesis_performance.cli.secrets import command
from genesis_performance.config.secret_manager import SecretManagerSection
from genesis_performance.errors import (
    CloudError,
    CloudInvalidError,
    CloudNotFoundError,
    CloudPermissionError,
    CloudPreconditionError,
    CloudUnavailableError,
)
from genesis_performance.gcp.secret_version import SecretVersion
from genesis_performance.operations import registry
from genesis_performance.profiler.session_file import write_session
from genesis_performance.runtime import Runtime
from genesis_performance.secrets.push import SecretNotices

CANARY = "cana/ry+7Q9x Zb3k&pay~load"
ACCESS = "google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion"
CODES = (
    "UNAVAILABLE",
    "PERMISSION_DENIED",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "INTERNAL",
)


def forms(payload: str) -> dict[str, bytes]:
    """What a payload looks like once somebody has written it down."""
    raw = payload.encode()
    found = {
        "plain": raw,
        "reversed": raw[::-1],
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "url": urllib.parse.quote(payload, safe="").encode(),
        "json": json.dumps(payload)[1:-1].encode(),
        "utf-16": payload.encode("utf-16-le"),
        **{name: hashlib.new(name, raw).hexdigest().encode() for name in ("md5", "sha1", "sha256", "sha512")},
        "sha256 in base64": base64.b64encode(hashlib.sha256(raw).digest()).rstrip(b"="),
    }
    for shift in range(3):  # base64 of something longer that holds it, at each of its three alignments
        inner = base64.b64encode(b"\0" * shift + raw)[4 * (shift > 0) : -4]
        found |= {
            f"base64 {shift}": inner,
            f"base64url {shift}": inner.translate(bytes.maketrans(b"+/", b"-_")),
        }
    return found


FORMS = forms(CANARY)


def leaks(*artefacts: object) -> list[str]:
    """The forms of the payload that are in any of these: bytes, text, or what ``repr`` and ``str`` show."""
    found = []
    for artefact in artefacts:
        shown = (
            artefact if isinstance(artefact, bytes) else f"{artefact}\n{artefact!r}".encode(errors="replace")
        )
        found += [form for form, written in FORMS.items() if written in shown]
    return found


def files_below(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def test_the_search_finds_every_form():
    """Else nothing below proves anything."""
    hidden = base64.b64encode(b"{'value': '" + CANARY.encode() + b"'}")
    assert leaks(CANARY) == ["plain", "json"]
    assert any(form.startswith("base64 ") for form in leaks(hidden))
    assert leaks({"sha": hashlib.sha256(CANARY.encode()).hexdigest()}) == ["sha256"]
    assert leaks(CANARY.encode().hex()) == ["hex"]
    assert leaks("nothing") == []


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Everything logged at DEBUG, with the attributes of the records."""
    google = logging.getLogger("google")  # its records do not propagate
    level = google.level
    google.addHandler(caplog.handler)
    google.setLevel(logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    yield (
        lambda: (
            caplog.text + "\n".join(f"{record.getMessage()} {record.__dict__!r}" for record in caplog.records)
        )
    )
    google.removeHandler(caplog.handler)
    google.setLevel(level)


def raised(error: BaseException | None) -> str:
    """An error as an error tracker sends it: locals of our frames and of Google's, the whole chain."""
    shown, seen = [], set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        shown += [str(error), repr(error), repr(error.args), repr(vars(error))]
        for frame, _line in traceback.walk_tb(error.__traceback__):
            if any(part in frame.f_code.co_filename for part in ("genesis_performance", "google", "grpc")):
                for value in frame.f_locals.values():
                    shown += [repr(value), repr(getattr(value, "__dict__", ""))]
                    shown.append(repr(list(value.items())) if isinstance(value, dict) else "")
        error = error.__cause__ or error.__context__
    return "\n".join(shown)


def caught(read: Callable[[], object]) -> BaseException | None:
    try:
        read()
    except Exception as error:
        return error
    return None


async def settled(read: Any) -> BaseException | None:
    try:
        await read
    except Exception as error:
        return error
    return None


def test_no_artefact_of_a_service_holds_a_payload(cloud, tmp_path, monkeypatch, logged):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("GENESIS_PERF__SECRET_MANAGER__STALE_IF_ERROR_S", "60")
    config.reset()
    for name in ("canary", "other"):
        cloud.put(name, CANARY.encode())
    artefacts: list[object] = []
    registry._recorders.clear()
    with Runtime("shop", project_id="p", interval_s=0.1) as runtime:
        session = runtime.profiler.start_profiling("canary", fidelity="high")
        for _ in range(30):
            with runtime.profiler.profile_context("checkout", {"secret": "canary"}):
                assert runtime.secrets.get_secret_sync("canary") == CANARY
                assert asyncio.run(runtime.secrets.get_secrets(["canary", "other"]))["other"] == CANARY
                runtime.secrets.invalidate("canary")
        for code in CODES:
            cloud.emulator.fail(ACCESS, code, times=1)
            runtime.secrets.invalidate("canary")
            with runtime.profiler.profile_context("checkout"):
                artefacts.append(raised(caught(lambda: runtime.secrets.get_secret_sync("canary"))))
        report = runtime.profiler.stop_profiling(session)
        assert "checkout" in {operation.name for operation in report.operations}
        write_session(report, tmp_path / "session.json")
        artefacts += [report, *report.history] if hasattr(report, "history") else [report]
        artefacts += [runtime.secrets, json.dumps(runtime.secrets.get_performance_report())]
        artefacts.append(json.dumps(runtime.secrets.get_cost_recommendations()))
        for recorder in registry._recorders:
            artefacts.append(recorder.repeated_calls())
        assert runtime.flush()
        artefacts.append(sent_metrics())
    for arguments in (["check", "canary", "nowhere"], ["warm", "canary", "other"], ["report"]):
        artefacts.append(CliRunner().invoke(command, [*arguments, "--project", "p", "--json"]).output)
        artefacts.append(CliRunner().invoke(command, [*arguments, "--project", "p"]).output)
    files = files_below(tmp_path)
    assert len(files) >= 2, "the session and the history are kept in files"
    assert b"canary" in b"".join(files), "the name may be seen; if it is not, these are the wrong files"
    assert not leaks(*artefacts)
    assert not leaks(*files)
    written = logged()
    assert "AccessSecretVersion" in written, "Google's client logs at DEBUG; else this proves nothing"
    assert not leaks(written)


def sent_metrics() -> str:
    """Every time series that arrived, labels included."""
    found = []
    for name in ("operation/count", "operation/duration"):
        asked = {
            "name": "projects/p",
            "filter": f'metric.type = "custom.googleapis.com/genesis.performance/{name}"',
            "interval": {"start_time": {"seconds": 0}, "end_time": {"seconds": 2**33}},
        }
        found += [str(series) for series in gcp.each("metrics", "list_time_series", asked)]
    assert any("checkout" in series for series in found)
    return "\n".join(found)


ERRORS = {
    "unavailable": CloudUnavailableError("down", code="UNAVAILABLE"),
    "denied": CloudPermissionError("no", code="PERMISSION_DENIED"),
    "missing": CloudNotFoundError("gone", code="NOT_FOUND"),
    "disabled": CloudPreconditionError("disabled", code="FAILED_PRECONDITION"),
    "invalid": CloudInvalidError("odd", code="INVALID_ARGUMENT"),
    "damaged": CloudError("damaged", code="DATA_LOSS"),
    "ours": RuntimeError("a fault of our own"),
}


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("stale_s", [0, 100])
def test_no_error_of_any_read_holds_a_payload(make, vault, clock, logged, error, stale_s):
    """After it was read once, so that the payload is near when the read fails; alone and among others."""
    vault.put("canary", CANARY)
    vault.put("other", CANARY)
    manager = make(config=SecretManagerSection(cache_ttl_s=10, stale_if_error_s=stale_s))
    names = ["canary", "other"]
    reads: list[Callable[[], object]] = [
        lambda: manager.get_secret_sync("canary"),
        lambda: manager.get_secret_bytes_sync("canary"),
        lambda: manager.get_secrets_sync(names),
        lambda: manager.get_secrets_sync(names, atomic=True),
        lambda: manager.get_secret_sync("canary", "1"),
        lambda: manager.with_secret_sync("canary", len),
        lambda: manager.preload_sync(names, strict=True),
    ]
    awaited: list[Callable[[], Any]] = [
        lambda: manager.get_secret("canary"),
        lambda: manager.get_secret_bytes("canary"),
        lambda: manager.get_secrets(names),
        lambda: manager.get_secrets(names, atomic=True),
        lambda: manager.with_secret("canary", len),
        lambda: manager.preload(names, strict=True),
    ]

    async def all_awaited() -> list[BaseException | None]:
        return [await settled(read()) for read in awaited]

    assert manager.get_secrets_sync(names) == dict.fromkeys(names, CANARY)
    vault.errors["canary"] = ERRORS[error]
    clock.advance(11)
    errors = [caught(read) for read in reads] + asyncio.run(all_awaited())
    gc.collect()  # futures whose error nobody fetched say so when they are collected
    assert any(errors) or (error == "unavailable" and stale_s)
    shown = [raised(one) for one in errors]
    shown += ["".join(traceback.format_exception(one)) for one in errors if one is not None]
    assert not leaks(*shown)
    assert not leaks(logged(), manager, json.dumps(manager.get_performance_report()))


def test_an_error_of_the_access_function_that_holds_the_payload_is_not_logged(make, logged):
    """It is raised to who asked, as it is; what we write about it must not repeat it."""

    def access(name: Any, timeout_s: float) -> SecretVersion:
        raise ValueError(f"cannot parse {CANARY}")

    manager = make(access=access)
    assert isinstance(caught(lambda: manager.get_secret_sync("canary")), ValueError)
    assert not leaks(logged(), json.dumps(manager.get_performance_report()))


class Database:
    """Accepts one password; its driver's errors do not repeat what they were given."""

    def __init__(self, password: str) -> None:
        self.password = password

    def connect(self, password: str) -> int:
        accepted = password == self.password
        del password
        if not accepted:
            raise PermissionError("password authentication failed")
        return 1

    async def aconnect(self, password: str) -> int:
        return self.connect(password)


@pytest.mark.parametrize("is_rotated", [False, True])
@pytest.mark.parametrize("is_sync", [False, True])
def test_a_use_that_is_rejected_shows_no_payload_in_our_frames(make, vault, logged, is_sync, is_rotated):
    """Not where there is no newer version, and not where the newer one is rejected as well."""
    vault.put("canary", CANARY)
    database, manager = Database("another"), make()
    manager.get_secret_sync("canary")
    if is_rotated:
        vault.put("canary", f"{CANARY}-2")
    error = caught(
        lambda: (
            manager.with_secret_sync("canary", database.connect)
            if is_sync
            else asyncio.run(manager.with_secret("canary", database.aconnect))
        )
    )
    assert isinstance(error, PermissionError)
    assert not leaks(raised(error), logged())


def test_a_cancelled_read_shows_no_payload(make, vault, logged):
    vault.put("canary", CANARY)
    go_on = threading.Event()
    vault.hold = lambda: go_on.wait(60)
    manager = make()

    async def cancelled() -> str:
        reading = [
            asyncio.create_task(read)
            for read in (manager.get_secret("canary"), manager.get_secrets(["canary"]))
        ]
        while not vault.total:
            await asyncio.sleep(0.001)
        for task in reading:
            task.cancel()
        go_on.set()
        outcomes = await asyncio.gather(*reading, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        return "\n".join([repr(reading), *(raised(outcome) for outcome in outcomes)])

    shown = asyncio.run(cancelled())
    assert manager.get_secret_sync("canary") == CANARY
    gc.collect()
    assert not leaks(shown, logged())


@pytest.mark.parametrize(
    "body", [CANARY, CANARY.encode(), {"message": {"data": CANARY, "attributes": CANARY}}, [CANARY]]
)
def test_what_a_push_endpoint_is_sent_is_not_repeated(make, vault, logged, body):
    """Notices hold no payload; whoever sends one to the endpoint finds it nowhere again."""
    vault.put("canary", CANARY)
    manager = make()
    manager.get_secret_sync("canary")
    notices = SecretNotices(manager)
    error = caught(lambda: notices.handle_push(body))
    manager.secret_changed(CANARY)
    assert not leaks(raised(error), logged(), notices, json.dumps(notices.report()))


def test_no_container_of_what_we_hand_out_is_pickled_or_copied(make, vault):
    vault.put("canary", CANARY)
    manager = make()
    batch = manager.get_secrets_sync(["canary"])
    slot = next(iter(manager._by_key.values()))
    for thing in (slot, [manager], {"batch": batch}, (slot.entry,)):
        for attempt in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError, match="not pickled or copied") as refused:
                attempt(thing)
            assert not leaks(raised(refused.value))
