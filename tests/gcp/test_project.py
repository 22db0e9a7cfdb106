from __future__ import annotations

import threading
import time

import google.auth
import pytest
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError

from genesis_performance import config, gcp
from genesis_performance.errors import CloudPermissionError, CloudUnavailableError, MissingDependencyError
from genesis_performance.gcp import credentials_available, project, resolve_project
from genesis_performance.gcp.errors import translate


@pytest.fixture
def adc(monkeypatch):
    """What ``google.auth.default`` answers: a pair, an exception, or a wait."""
    asked = []

    def answer_with(answer, wait: threading.Event | None = None):
        def default(**_options):
            asked.append(1)
            if wait is not None:
                wait.wait(60)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(google.auth, "default", default)
        return asked

    return answer_with


def test_the_project_is_the_argument_then_the_environment_then_the_credentials_own(adc, monkeypatch):
    adc((object(), "of-the-credentials"))
    assert resolve_project("argument") == "argument"
    assert resolve_project() == "of-the-credentials"
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-the-environment")
    config.reset()
    assert resolve_project() == "of-the-environment"
    assert resolve_project("argument") == "argument"


def test_without_credentials_it_is_local_mode(adc):
    adc(DefaultCredentialsError("none"))
    assert resolve_project() is None
    assert not credentials_available()


def test_credentials_are_asked_once(adc):
    asked = adc((object(), "p"))
    for _ in range(5):
        resolve_project()
        assert credentials_available()
    assert len(asked) == 1


def test_a_silent_metadata_server_is_waited_for_once_and_not_for_long(adc, monkeypatch):
    monkeypatch.setattr(project, "GLANCE_S", 0.5)
    release = threading.Event()
    asked = adc((object(), "late"), wait=release)
    begin = time.perf_counter()
    assert [resolve_project() for _ in range(100)] == [None] * 100
    assert time.perf_counter() - begin < 100 * 0.5
    assert len(asked) == 1
    release.set()
    deadline = time.monotonic() + 60
    while resolve_project() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert resolve_project() == "late"


def test_a_failure_is_asked_about_again_after_a_while(adc, monkeypatch):
    adc(DefaultCredentialsError("not yet"))
    assert resolve_project() is None
    adc((object(), "p"))
    assert resolve_project() is None
    monkeypatch.setattr(project, "FAILURE_KEPT_S", 0.0)
    assert resolve_project() == "p"


def test_with_the_emulator_no_credentials_are_asked(adc, monkeypatch):
    asked = adc((object(), "p"))
    monkeypatch.setenv("GENESIS_PERF_EMULATOR", "127.0.0.1:1")
    config.reset()
    assert resolve_project() is None
    assert credentials_available()
    assert not asked


def test_a_call_without_credentials_says_what_to_do(adc):
    adc(DefaultCredentialsError("Your default credentials were not found."))
    with pytest.raises(CloudPermissionError, match="gcloud auth application-default login") as caught:
        gcp.call("metrics", "list_time_series", {"name": "projects/p"})
    assert caught.value.code == "UNAUTHENTICATED"
    assert isinstance(caught.value.__cause__, DefaultCredentialsError)


def test_a_client_waits_longer_than_a_glance_and_then_says_so(adc, monkeypatch):
    monkeypatch.setattr(project, "WAIT_S", 0.1)
    release = threading.Event()
    adc((object(), "p"), wait=release)
    with pytest.raises(CloudPermissionError, match="no answer from the metadata server"):
        project.credentials()
    release.set()


def test_without_google_auth_it_is_local_mode(monkeypatch):
    monkeypatch.setattr(project, "_installed", lambda: False)
    assert resolve_project() is None
    assert not credentials_available()
    with pytest.raises(MissingDependencyError, match="pip install"):
        project.credentials()


def test_errors_of_the_credentials_are_translated():
    refresh = translate(RefreshError("expired\nand a long story"), "metrics.list")
    assert isinstance(refresh, CloudPermissionError)
    assert "expired; run `gcloud" in str(refresh)
    assert isinstance(translate(TransportError("no route"), "metrics.list"), CloudUnavailableError)
