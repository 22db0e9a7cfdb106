"""The whole way: our cache, Google's own client, the emulator."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest
from click.testing import CliRunner

from genesis_performance import gcp
from genesis_performance.cli.secrets import command
from genesis_performance.config.secret_manager import SecretManagerSection
from genesis_performance.errors import (
    CloudNotFoundError,
    CloudPermissionError,
    CloudPreconditionError,
    CloudUnavailableError,
)
from genesis_performance.secrets import OptimizedSecretManager, SecretBatchError
from genesis_performance.secrets.outside import history_over_grpc

from .conftest import Inline

ACCESS = "google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion"


@pytest.fixture
def shop(cloud):
    cloud.put("db-password", b"hunter2")
    cloud.put("api-key", "schlüssel-🔑".encode())
    with OptimizedSecretManager("p") as manager:
        yield manager


def test_secrets_are_read_and_cached(shop, cloud):
    for _ in range(3):
        assert shop.get_secret_sync("db-password") == "hunter2"
        assert asyncio.run(shop.get_secret("api-key")) == "schlüssel-🔑"
    assert cloud.accesses() == 2


def test_two_hundred_concurrent_misses_make_one_call(shop, cloud):
    cloud.emulator.fail(ACCESS, "OK", delay_ms=200)
    start = threading.Barrier(10)
    values: list[str] = []

    async def many() -> list[str]:
        return await asyncio.gather(*(shop.get_secret("db-password") for _ in range(39)))

    def run(sync: bool) -> None:
        start.wait()
        values.extend([shop.get_secret_sync("db-password")] if sync else asyncio.run(many()))

    threads = [threading.Thread(target=run, args=(i % 2 == 0,)) for i in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == ["hunter2"] * 200
    assert cloud.accesses() == 1


def test_a_batch_of_forty_is_read_side_by_side(shop, cloud):
    names = [f"s{i}" for i in range(40)]
    for name in names:
        cloud.put(name, name.encode())
    assert asyncio.run(shop.get_secrets(names)) == {name: name for name in names}
    assert cloud.accesses() == 40


def test_a_full_name_and_a_short_one_are_the_same_secret(shop, cloud):
    shop.get_secret_sync("db-password")
    assert shop.get_secret_sync("projects/p/secrets/db-password/versions/latest") == "hunter2"
    assert cloud.accesses() == 1


def test_a_regional_secret_of_another_project_is_read_by_its_full_name(shop, cloud):
    parent = "projects/other/locations/europe-west3"
    gcp.call("secret_manager", "create_secret", {"parent": parent, "secret_id": "db", "secret": {}},
             location="europe-west3")  # fmt: skip
    gcp.call("secret_manager", "add_secret_version",
             {"parent": f"{parent}/secrets/db", "payload": {"data": b"regional"}},
             location="europe-west3")  # fmt: skip
    assert shop.get_secret_sync(f"{parent}/secrets/db") == "regional"
    assert shop.get_secret_sync(f"{parent}/secrets/db/versions/1") == "regional"
    with pytest.raises(CloudNotFoundError):
        shop.get_secret_sync("projects/other/secrets/db")


def test_create_times_are_listed_after_a_change_and_only_then(cloud):
    cloud.put("db-password", b"hunter2")
    created: list[list[float]] = []

    def listed(name, timeout_s):
        created.append(list(history_over_grpc(name, timeout_s)))
        return created[-1]

    section = SecretManagerSection(max_staleness_s=3600)
    with OptimizedSecretManager("p", config=section, history=listed, executor=Inline()) as manager:
        manager.get_secret_sync("db-password")
        assert not created
        cloud.put("db-password", b"new")
        manager.invalidate("db-password")
        assert manager.get_secret_sync("db-password") == "new"
    ((newest, first),) = created
    assert first <= newest <= time.time() + 1


def test_a_rotation_is_seen_after_invalidating(shop, cloud):
    shop.get_secret_sync("db-password")
    cloud.put("db-password", b"new")
    assert shop.get_secret_sync("db-password") == "hunter2"
    shop.invalidate("db-password")
    assert shop.get_secret_sync("db-password") == "new"
    assert shop.get_secret_sync("db-password", "1") == "hunter2"


def test_a_short_outage_is_not_noticed(shop, cloud):
    cloud.emulator.fail(ACCESS, "UNAVAILABLE", times=2)
    assert shop.get_secret_sync("db-password") == "hunter2"
    assert cloud.accesses() == 3


def test_missing_and_denied_secrets_raise_their_own_errors(shop, cloud):
    with pytest.raises(CloudNotFoundError, match="nowhere"):
        shop.get_secret_sync("nowhere")
    cloud.emulator.fail(ACCESS, "PERMISSION_DENIED")
    with pytest.raises(CloudPermissionError):
        shop.get_secret_sync("db-password")


def test_a_disabled_version_raises_and_is_no_longer_served(shop, cloud):
    shop.get_secret_sync("db-password", "1")
    gcp.call(
        "secret_manager", "disable_secret_version", {"name": "projects/p/secrets/db-password/versions/1"}
    )
    shop.invalidate("db-password")
    with pytest.raises(CloudPreconditionError):
        shop.get_secret_sync("db-password", "1")


def test_half_of_a_batch_denied_keeps_the_other_half(shop, cloud):
    cloud.emulator.fail(ACCESS, "PERMISSION_DENIED", times=1)
    with pytest.raises(SecretBatchError, match="1 of 2") as caught:
        shop.get_secrets_sync(["db-password", "api-key"])
    assert len(caught.value.results) == 1


def test_binary_payloads_come_back_byte_by_byte(shop, cloud):
    payload = bytes(range(256)) * 256  # 64 KiB, the largest allowed
    cloud.put("der", payload)
    assert shop.get_secret_bytes_sync("der") == payload


def test_the_largest_waves_of_loops_leave_no_client_behind(shop, cloud):
    async def read() -> None:
        await gcp.acall("secret_manager", "get_secret", {"name": "projects/p/secrets/db-password"})
        await shop.get_secrets(["db-password", "api-key"])

    for _ in range(10):
        asyncio.run(read())
    assert cloud.accesses() == 2


class TestCommand:
    def run(self, *arguments: str):
        return CliRunner().invoke(command, arguments)

    def test_check_says_what_is_wrong_and_what_to_do(self, shop):
        ran = self.run("check", "db-password", "nowhere", "--project", "p")
        assert ran.exit_code == 1
        assert "ok    projects/p/secrets/db-password/versions/latest: version 1 can be read" in ran.output
        assert "gcloud secrets create nowhere --project=p" in ran.output
        assert "hunter2" not in ran.output

    def test_check_prints_json(self, shop):
        ran = self.run("check", "db-password", "--project", "p", "--json")
        assert ran.exit_code == 0
        assert json.loads(ran.output)[0]["is_readable"] is True

    def test_check_refuses_what_is_no_name(self, shop):
        ran = self.run("check", "no good", "--project", "p")
        assert ran.exit_code == 2
        assert "is not a secret's name" in ran.output

    def test_check_needs_a_project(self, shop):
        ran = self.run("check", "db-password")
        assert ran.exit_code == 2
        assert "GOOGLE_CLOUD_PROJECT" in ran.output

    def test_warm_reads_a_batch(self, shop):
        ran = self.run("warm", "db-password", "api-key", "--project", "p")
        assert ran.exit_code == 0
        assert ran.output.startswith("2 secrets read in")

    def test_warm_names_what_failed(self, shop):
        ran = self.run("warm", "db-password", "nowhere", "--project", "p", "--json")
        assert ran.exit_code == 1
        assert list(json.loads(ran.output)["failures"]) == ["nowhere"]

    def test_report_lists_versions_and_what_they_cost(self, shop, cloud):
        cloud.put("db-password", b"new")
        ran = self.run("report", "--project", "p", "--json")
        assert ran.exit_code == 0
        found = json.loads(ran.output)
        assert [row["enabled_versions"] for row in found["secrets"]] == [2, 1]
        assert found["monthly_cost_usd"] == pytest.approx(0.18)

    def test_report_is_readable(self, shop):
        ran = self.run("report", "--project", "p")
        assert "0.06 USD  projects/p/secrets/db-password: 1 enabled" in ran.output
        assert "0.12 USD a month for 2 secrets" in ran.output


def test_an_emulator_that_dies_is_an_outage(monkeypatch):
    from genesis_performance import config
    from genesis_performance.emulator import running_emulator

    with running_emulator() as emulator:
        monkeypatch.setenv("GENESIS_PERF_EMULATOR", emulator.grpc)
        config.reset()
        parent = "projects/p"
        gcp.call(
            "secret_manager",
            "create_secret",
            {"parent": parent, "secret_id": "s", "secret": {"replication": {"automatic": {}}}},
        )
        gcp.call(
            "secret_manager",
            "add_secret_version",
            {"parent": f"{parent}/secrets/s", "payload": {"data": b"v"}},
        )
        config.reset(config.load(arguments={"secret_manager.timeout_s": 5}))
        manager = OptimizedSecretManager("p")
        assert manager.get_secret_sync("s") == "v"
    assert manager.get_secret_sync("s") == "v"
    manager.invalidate("s")
    with pytest.raises(CloudUnavailableError, match="is it running"):
        manager.get_secret_sync("s")
    manager.close()
