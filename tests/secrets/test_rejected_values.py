"""``with_secret`` and ``invalidate(seen_version=...)``: a value that was rotated under its user."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from types import SimpleNamespace

import pytest

from genesis_performance.config.secret_manager import SecretManagerSection
from genesis_performance.errors import CloudPermissionError, CloudUnavailableError, InvalidInputError
from genesis_performance.secrets.secret_uses import is_authentication_error


class Database:
    """Accepts one password; what is tried is counted."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.tried: list[str] = []

    def connect(self, password: str) -> str:
        self.tried.append(password)
        if password != self.password:
            raise PermissionError("password authentication failed")
        return "connected"


@pytest.fixture
def database(manager, vault):
    manager.get_secret_sync("db-password")
    return Database("hunter2")


def rotate(vault, database) -> None:
    vault.put("db-password", "new")
    database.password = "new"


def test_the_value_is_used_once_when_it_is_accepted(manager, database):
    assert manager.with_secret_sync("db-password", database.connect) == "connected"
    assert database.tried == ["hunter2"]


def test_a_rotation_is_not_noticed_by_the_caller(manager, vault, database):
    rotate(vault, database)
    assert manager.with_secret_sync("db-password", database.connect) == "connected"
    assert database.tried == ["hunter2", "new"]
    assert manager.with_secret_sync("db-password", database.connect) == "connected"
    assert database.tried == ["hunter2", "new", "new"]


@pytest.mark.parametrize("coroutine", [True, False])
async def test_a_rotation_is_not_noticed_by_a_coroutine(manager, vault, database, coroutine):
    async def connect(password: str) -> str:
        await asyncio.sleep(0)
        return database.connect(password)

    rotate(vault, database)
    use = connect if coroutine else database.connect
    assert await manager.with_secret("db-password", use) == "connected"
    assert database.tried == ["hunter2", "new"]


def test_without_a_newer_version_the_error_is_the_first_one_and_use_is_not_called_again(manager, database):
    database.password = "something else"
    with pytest.raises(PermissionError, match="authentication failed"):
        manager.with_secret_sync("db-password", database.connect)
    assert database.tried == ["hunter2"]


def test_when_the_newer_version_fails_too_its_error_is_raised(manager, vault, database):
    vault.put("db-password", "new")
    database.password = "something else"
    with pytest.raises(PermissionError):
        manager.with_secret_sync("db-password", database.connect)
    assert database.tried == ["hunter2", "new"]


def test_other_errors_are_none_of_our_business(manager, vault, database):
    rotate(vault, database)

    def broken(password: str) -> None:
        raise ConnectionError("no route")

    with pytest.raises(ConnectionError):
        manager.with_secret_sync("db-password", broken)
    assert vault.calls["db-password"] == 1


class OurError(Exception):
    pass


@pytest.mark.parametrize(
    "auth_errors", [OurError, (OurError, KeyError), lambda error: isinstance(error, OurError)]
)
def test_the_caller_can_say_which_errors_mean_it(manager, vault, auth_errors):
    tried = []

    def use(value: str) -> str:
        tried.append(value)
        if value == "hunter2":
            raise OurError
        return value

    manager.get_secret_sync("db-password")
    vault.put("db-password", "new")
    assert manager.with_secret_sync("db-password", use, auth_errors=auth_errors) == "new"
    assert tried == ["hunter2", "new"]


def test_an_exception_in_the_caller_s_own_judgement_leaves_the_first_error(manager, database):
    database.password = "new"

    def judge(error: Exception) -> bool:
        raise RuntimeError("a defect")

    with pytest.raises(PermissionError, match="authentication failed"):
        manager.with_secret_sync("db-password", database.connect, auth_errors=judge)


def test_when_no_fresh_value_can_be_read_the_first_error_says_why(manager, vault, database):
    rotate(vault, database)
    vault.errors["db-password"] = CloudPermissionError("may not", code="PERMISSION_DENIED")
    with pytest.raises(PermissionError, match="authentication failed") as caught:
        manager.with_secret_sync("db-password", database.connect)
    assert caught.value.__notes__ == ["no fresh secret could be read: may not"]


def test_in_an_outage_the_value_that_was_rejected_stays_for_the_others(manager, vault, database):
    database.password = "something else"
    vault.errors["db-password"] = CloudUnavailableError("down", code="UNAVAILABLE")
    with pytest.raises(PermissionError):
        manager.with_secret_sync("db-password", database.connect)
    assert manager.get_secret_sync("db-password") == "hunter2"


def test_a_wrong_password_is_asked_about_once_in_ten_seconds(manager, vault, clock, database):
    database.password = "something else"
    for _ in range(50):
        with pytest.raises(PermissionError):
            manager.with_secret_sync("db-password", database.connect)
    assert vault.calls["db-password"] == 2
    clock.advance(10)
    with pytest.raises(PermissionError):
        manager.with_secret_sync("db-password", database.connect)
    assert vault.calls["db-password"] == 3


def test_eight_threads_that_fail_at_once_make_one_read(manager, vault, database):
    rotate(vault, database)
    vault.delay_s = 0.05
    start = threading.Barrier(8)

    def use() -> str:
        start.wait()
        return manager.with_secret_sync("db-password", database.connect)

    with ThreadPoolExecutor(8) as pool:
        assert [job.result() for job in [pool.submit(use) for _ in range(8)]] == ["connected"] * 8
    assert vault.calls["db-password"] == 2


def test_nothing_is_forgotten_when_the_cache_holds_another_version(manager, vault, clock):
    manager.get_secret_sync("db-password")
    vault.put("db-password", "new")
    clock.advance(300)
    manager.get_secret_sync("db-password")
    assert not manager.invalidate("db-password", seen_version="1")
    assert manager.invalidate("db-password", seen_version=2)
    manager.get_secret_sync("db-password")
    assert vault.calls["db-password"] == 3


def test_the_cached_version_is_told(manager, vault):
    assert manager.cached_version("db-password") is None
    manager.get_secret_sync("db-password")
    assert manager.cached_version("db-password") == "1"


def test_a_payload_that_is_no_text_is_told_in_words(manager, vault):
    vault.put("der", b"\xff")
    with pytest.raises(InvalidInputError, match="get_secret_bytes"):
        manager.with_secret_sync("der", str)


def test_the_caller_s_traceback_shows_the_payload_in_no_frame_of_ours(manager, database):
    database.password = "something else"
    with pytest.raises(PermissionError) as caught:
        manager.with_secret_sync("db-password", database.connect)
    at = caught.value.__traceback__
    ours = []
    while at is not None:
        if "genesis_performance" in at.tb_frame.f_code.co_filename:
            ours.append(repr(at.tb_frame.f_locals))
        at = at.tb_next
    assert ours
    assert "hunter2" not in "".join(ours)


def named(name: str, **attributes) -> Exception:
    error = type(name, (Exception,), {})("failed")
    for key, value in attributes.items():
        setattr(error, key, value)
    return error


def coded(*args) -> Exception:
    return Exception(*args)


@pytest.mark.parametrize(
    "error",
    [
        PermissionError("no"),
        CloudPermissionError("who?", code="UNAUTHENTICATED"),
        named("InvalidPasswordError", sqlstate="28P01"),  # asyncpg
        named("OperationalError", pgcode="28000"),  # psycopg2
        coded("28000", "[28000] Login failed for user"),  # pyodbc
        coded(1045, "Access denied for user"),  # mysqlclient, pymysql
        coded(18456, "Login failed"),  # pymssql
        coded('connection to server failed: FATAL:  password authentication failed for user "app"'),
        coded("WRONGPASS invalid username-password pair or user is disabled."),
        coded("ORA-01017: invalid username/password; logon denied"),
        named("AuthenticationError"),  # redis, openai, kafka
        named("OperationFailure", code=18),  # pymongo
        named("HTTPStatusError", response=SimpleNamespace(status_code=401)),  # httpx
        named("HTTPError", response=SimpleNamespace(status_code=401)),  # requests
        named("HTTPError", code=401),  # urllib
        named("ClientResponseError", status=401),  # aiohttp
        named("ApiError", status_code=HTTPStatus.UNAUTHORIZED),
        named("RpcError", code=lambda: SimpleNamespace(name="UNAUTHENTICATED")),  # grpc
        named("GoogleAPICallError", grpc_status_code=SimpleNamespace(name="UNAUTHENTICATED")),
    ],
    ids=lambda error: f"{type(error).__name__}-{str(error)[:20]}",
)
def test_an_authentication_failure_is_recognised(error):
    assert is_authentication_error(error)
    outer = RuntimeError("could not connect")
    outer.__cause__ = error
    assert is_authentication_error(outer)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("wrong"),
        ConnectionError("refused"),
        TimeoutError(),
        OSError(18, "Invalid cross-device link"),
        CloudPermissionError("may not", code="PERMISSION_DENIED"),
        named("OperationalError", pgcode="57P01"),
        named("HTTPStatusError", response=SimpleNamespace(status_code=403)),
        named("HTTPError", code=500),
        named("RpcError", code=lambda: SimpleNamespace(name="PERMISSION_DENIED")),
        named("SomeError", code=18),
        coded(2003, "Can't connect to MySQL server"),
        coded(),
    ],
    ids=lambda error: f"{type(error).__name__}-{str(error)[:20]}",
)
def test_what_is_no_authentication_failure_is_not_taken_for_one(error):
    assert not is_authentication_error(error)


def test_the_ten_seconds_are_each_secret_s_own(make, vault):
    manager = make(config=SecretManagerSection())
    for name in ("db-password", "api-key"):
        manager.get_secret_sync(name)
        assert manager.invalidate(name, seen_version="1")
