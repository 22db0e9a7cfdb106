from __future__ import annotations

import logging
import sys

import google_crc32c
import grpc
import pytest
from google.cloud import secretmanager_v1

from genesis_performance.errors import CloudError, CloudNotFoundError, MissingDependencyError
from genesis_performance.gcp.secret_version import access_secret_version, crc32c

NAME = "projects/p/secrets/s/versions/latest"


def version(payload: bytes, checksum: int | None = None):
    return secretmanager_v1.AccessSecretVersionResponse(
        name="projects/1/secrets/s/versions/3",
        payload={
            "data": payload,
            "data_crc32c": google_crc32c.value(payload) if checksum is None else checksum,
        },
    )


def test_a_version_is_read_with_its_resolved_name(wire):
    wire.answers["AccessSecretVersion"] = [version(b"hunter2")]
    found = access_secret_version(NAME)
    assert (found.name, found.payload) == ("projects/1/secrets/s/versions/3", b"hunter2")
    assert "hunter2" not in repr(found)


def test_a_damaged_payload_is_read_once_more(wire):
    wire.answers["AccessSecretVersion"] = [version(b"hunter2", checksum=1), version(b"hunter2")]
    assert access_secret_version(NAME).payload == b"hunter2"
    assert len(wire.requests) == 2


def test_a_payload_damaged_twice_is_an_error_that_does_not_show_it(wire):
    wire.answers["AccessSecretVersion"] = [version(b"hunter2", checksum=1)]
    with pytest.raises(CloudError, match="CRC32C") as caught:
        access_secret_version(NAME)
    assert caught.value.code == "DATA_LOSS"
    frame = caught.value.__traceback__.tb_next  # of our code; the first is this test's
    while frame is not None:
        assert "hunter2" not in repr(frame.tb_frame.f_locals)
        frame = frame.tb_next
    assert len(wire.requests) == 2


def test_a_missing_version_is_not_asked_for_twice(wire):
    wire.answers["AccessSecretVersion"] = [grpc.StatusCode.NOT_FOUND]
    with pytest.raises(CloudNotFoundError):
        access_secret_version(NAME)
    assert len(wire.requests) == 1


def test_without_the_checksum_package_nothing_is_read(wire, monkeypatch):
    monkeypatch.setitem(sys.modules, "google_crc32c", None)
    with pytest.raises(MissingDependencyError, match=r"genesis-performance\[secrets\]"):
        access_secret_version(NAME)
    assert not wire.requests


def test_the_checksum_is_castagnoli_s():
    assert crc32c(b"123456789") == 0xE3069283


def test_google_s_debug_log_holds_no_payload(wire, caplog):
    wire.answers["AccessSecretVersion"] = [version(b"hunter2-canary")]
    google = logging.getLogger("google")  # its own handlers: it need not propagate
    google.addHandler(caplog.handler)
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="google"):
        access_secret_version(NAME)
    google.removeHandler(caplog.handler)
    google_s = [record for record in caplog.records if record.name.startswith("google.cloud.secretmanager")]
    assert google_s, "Google's client logs at DEBUG; if it stopped, this test proves nothing"
    for record in caplog.records:
        text = repr(record.__dict__)
        assert "hunter2" not in text
        assert "aHVudGVyMi1jYW5hcnk" not in text  # base64, as JSON has it
