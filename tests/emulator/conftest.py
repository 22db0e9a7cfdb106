"""Official clients, pointed at the emulator of the test."""

from __future__ import annotations

import grpc
import httpx
import pytest


@pytest.fixture
def connect(genesis_emulator):
    """``connect(ClientClass)``: an official client that talks to this test's emulator."""
    channel = grpc.insecure_channel(genesis_emulator.grpc)
    yield lambda cls: cls(transport=cls.get_transport_class("grpc")(channel=channel))
    channel.close()
    assert genesis_emulator.cloud.internal_errors == 0


@pytest.fixture
def http(genesis_emulator):
    with httpx.Client(base_url=f"http://{genesis_emulator.http}") as client:
        yield client
