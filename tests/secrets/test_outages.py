from __future__ import annotations

import pytest

from genesis_performance.config.secret_manager import SecretManagerSection
from genesis_performance.errors import (
    CloudDeadlineError,
    CloudError,
    CloudInvalidError,
    CloudNotFoundError,
    CloudPermissionError,
    CloudPreconditionError,
    CloudQuotaError,
    CloudUnavailableError,
)

from .conftest import Inline

OUTAGES = [
    CloudUnavailableError("down", code="UNAVAILABLE"),
    CloudDeadlineError("late", code="DEADLINE_EXCEEDED"),
    CloudQuotaError("too many", code="RESOURCE_EXHAUSTED"),
]
ANSWERS = [
    CloudPermissionError("no", code="PERMISSION_DENIED"),
    CloudNotFoundError("gone", code="NOT_FOUND"),
    CloudPreconditionError("disabled", code="FAILED_PRECONDITION"),
    CloudInvalidError("wrong", code="INVALID_ARGUMENT"),
]


def named(error: Exception) -> str:
    return type(error).__name__


@pytest.fixture
def tolerant(make):
    return make(
        config=SecretManagerSection(cache_ttl_s=100, stale_if_error_s=50),
        executor=Inline(),
        chance=lambda: 1.0,
    )


@pytest.mark.parametrize("error", OUTAGES, ids=named)
def test_an_outage_raises_when_the_value_has_run_out(make, vault, clock, error):
    manager = make(cache_ttl_s=100)
    manager.get_secret_sync("api-key")
    vault.errors["api-key"] = error
    clock.advance(99)
    assert manager.get_secret_sync("api-key") == "k-123"
    clock.advance(1)
    with pytest.raises(type(error)):
        manager.get_secret_sync("api-key")


@pytest.mark.parametrize("error", OUTAGES, ids=named)
def test_stale_is_served_in_an_outage_where_allowed_and_not_beyond(tolerant, vault, clock, error):
    tolerant.get_secret_sync("api-key")
    vault.errors["api-key"] = error
    clock.advance(149)
    assert tolerant.get_secret_sync("api-key") == "k-123"
    clock.advance(1)
    with pytest.raises(type(error)):
        tolerant.get_secret_sync("api-key")
    assert tolerant.get_performance_report()["performance_summary"]["stale_served"] == 1


def test_during_an_outage_secret_manager_is_asked_after_a_pause(tolerant, vault, clock):
    tolerant.get_secret_sync("api-key")
    vault.errors["api-key"] = OUTAGES[0]
    clock.advance(100)
    for _ in range(100):
        assert tolerant.get_secret_sync("api-key") == "k-123"
    assert vault.total == 2
    clock.advance(1)
    tolerant.get_secret_sync("api-key")
    assert vault.total == 3


def test_the_new_value_comes_when_the_outage_ends(tolerant, vault, clock):
    tolerant.get_secret_sync("api-key")
    vault.errors["api-key"] = OUTAGES[0]
    clock.advance(100)
    tolerant.get_secret_sync("api-key")
    del vault.errors["api-key"]
    vault.put("api-key", "new")
    clock.advance(1)
    assert tolerant.get_secret_sync("api-key") == "k-123"  # served on while it is read again
    assert tolerant.get_secret_sync("api-key") == "new"


@pytest.mark.parametrize("error", ANSWERS, ids=named)
def test_an_answer_drops_the_value_even_where_stale_is_allowed(tolerant, vault, clock, error):
    tolerant.get_secret_sync("api-key")
    vault.errors["api-key"] = error
    clock.advance(100)
    with pytest.raises(type(error)):
        tolerant.get_secret_sync("api-key")
    vault.errors["api-key"] = OUTAGES[0]
    clock.advance(3)
    with pytest.raises(CloudUnavailableError):
        tolerant.get_secret_sync("api-key")


def test_a_missing_secret_is_asked_for_again_after_two_seconds(manager, vault, clock):
    for _ in range(5):
        with pytest.raises(CloudNotFoundError):
            manager.get_secret_sync("nowhere")
    assert vault.total == 1
    vault.put("nowhere", "now here")
    clock.advance(2)
    assert manager.get_secret_sync("nowhere") == "now here"


def test_a_denied_secret_is_asked_for_each_time(manager, vault):
    vault.errors["api-key"] = ANSWERS[0]
    for _ in range(3):
        with pytest.raises(CloudPermissionError):
            manager.get_secret_sync("api-key")
    assert vault.total == 3


def test_invalidating_forgets_that_a_secret_was_missing(manager, vault):
    with pytest.raises(CloudNotFoundError):
        manager.get_secret_sync("nowhere")
    vault.put("nowhere", "now here")
    manager.invalidate("nowhere")
    assert manager.get_secret_sync("nowhere") == "now here"


def test_an_error_keeps_its_code_details_and_cause(manager, vault):
    error = CloudError("odd", code="DATA_LOSS", details=("detail",))
    error.__cause__ = ValueError("Google's own")
    vault.errors["api-key"] = error
    with pytest.raises(CloudError) as caught:
        manager.get_secret_sync("api-key")
    assert (caught.value.code, caught.value.details) == ("DATA_LOSS", ("detail",))
    assert str(caught.value.__cause__) == "Google's own"


def test_a_foreign_error_that_can_not_be_copied_is_raised_as_it_is(manager, vault):
    class OddError(Exception):
        def __init__(self, first: int, second: int) -> None:
            super().__init__(f"{first} {second}")

    vault.errors["api-key"] = OddError(1, 2)
    with pytest.raises(OddError, match="1 2"):
        manager.get_secret_sync("api-key")
