"""Settings of the history store."""

from __future__ import annotations

from typing import ClassVar

from .section import Positive, PositiveInt, Section


class StorageSection(Section, frozen=True, kw_only=True):
    """Where the history is kept.

    Args:
        url: ``sqlite:///PATH`` (relative to the working directory) or ``bigquery://project.dataset``.
        max_size_mb: the oldest records are deleted when the store grows beyond it.
        retention_days: age at which a record is deleted.
    """

    NAME: ClassVar[str] = "storage"

    url: str = "sqlite:///.genesis/history.db"
    max_size_mb: Positive = 256.0
    retention_days: PositiveInt = 90
