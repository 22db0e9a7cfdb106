"""A local Google Cloud for tests and demos: the official protocol, the documented limits, planted faults."""

from .running import RunningEmulator, SpawnedEmulator, running_emulator, spawn_emulator

__all__ = ["RunningEmulator", "SpawnedEmulator", "running_emulator", "spawn_emulator"]
