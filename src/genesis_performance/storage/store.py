"""The history store: where runs, baselines, incidents and recommendations are kept, and how to open it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from ..config import settings
from ..errors import ConfigurationError
from .kinds import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row of the store."""

    id: int
    kind: Kind
    key: str
    at_unix_ns: int
    body: dict[str, Any]  # JSON: what storage.codec makes of a model value


Records = list[Record]  # within Store the name ``list`` is a method


class Store(Protocol):
    """A history store. Opened at first use; safe for threads, processes and forks.

    Every method raises ``StoreError`` when the store can not be read or written, and
    ``InvalidInputError`` for a kind, key or body that can not be kept.
    """

    def append(
        self, kind: Kind | str, key: str, body: Mapping[str, Any], at_unix_ns: int | None = None
    ) -> int:
        """Add a record and return its id. The time is now by default."""

    def put(self, kind: Kind | str, key: str, body: Mapping[str, Any]) -> int:
        """Replace all records of this key by this one, in one transaction."""

    def get(self, kind: Kind | str, key: str) -> dict[str, Any] | None:
        """The body of the newest record of this key; None when there is none."""

    def list(
        self,
        kind: Kind | str,
        key: str | None = None,
        since_unix_ns: int | None = None,
        limit: int | None = None,
        newest_first: bool = True,
    ) -> Records:
        """The records of a kind by time; ``limit`` keeps the first of that order."""

    def delete(self, kind: Kind | str, key: str | None = None) -> int:
        """Delete the records of a key, or of the whole kind; return how many there were."""

    def prune(self, now_unix_ns: int | None = None) -> int:
        """Delete what is too old, and the oldest of what is too much; return how many records."""

    def close(self) -> None:
        """Close what is open in this process. A later call opens the store again."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_store(
    url: str | None = None, *, max_size_mb: float | None = None, retention_days: int | None = None
) -> Store:
    """The store at ``url``. Nothing is opened or created before its first use.

    Args:
        url: ``sqlite:///PATH``, relative to the working directory. What is not given here comes from the
            settings ``storage.url``, ``storage.max_size_mb`` and ``storage.retention_days``.

    Raises:
        ConfigurationError: the address names no store that this version can open.
    """
    section = settings().storage
    url = section.url if url is None else url
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and len(rest) > 1 and rest.startswith("/") and ":memory:" not in rest:
        from .sqlite import SqliteStore

        return SqliteStore(
            rest[1:],
            max_size_mb=section.max_size_mb if max_size_mb is None else max_size_mb,
            retention_days=section.retention_days if retention_days is None else retention_days,
        )
    if scheme == "bigquery":
        raise ConfigurationError(
            f"storage.url is {url!r}: the BigQuery store is not built yet, it comes later; "
            "until then use sqlite:///PATH, for example sqlite:///.genesis/history.db"
        )
    raise ConfigurationError(f"storage.url is {url!r}; it must be sqlite:///PATH with the path of a file")
