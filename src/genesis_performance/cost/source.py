"""Which billing export is read: files of three formats, by name or pattern."""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigurationError

SETTING = "cost_optimization.billing_export"

_KINDS = {"csv": "csv", "json": "json", "jsonl": "json", "ndjson": "json", "parquet": "parquet"}
_TABLE = re.compile(r"[a-z][-a-z0-9:.]{4,61}[a-z0-9]\.[A-Za-z0-9_]{1,1024}\.[\w*-]{1,1024}")
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BillingSource:
    """The files of an export, by format."""

    named: str  # as the setting says
    files: Mapping[str, tuple[Path, ...]]  # "csv", "json", "parquet"

    def __str__(self) -> str:
        count = sum(len(files) for files in self.files.values())
        return self.named if count == 1 else f"{self.named} ({count} files)"


def billing_source(named: str | None) -> BillingSource:
    """Find the files.

    Raises:
        ConfigurationError: nothing is named, nothing is found, or it is of a kind that can not be read.
    """
    if not named or not named.strip():
        raise ConfigurationError(
            f"no billing export is named: set {SETTING} (GENESIS_PERF__COST_OPTIMIZATION__BILLING_EXPORT) "
            "to a CSV, JSON or Parquet file of a Cloud Billing export, or to a pattern of such files"
        )
    if "\0" in named:
        raise ConfigurationError(f"{SETTING} is {named!r}; a file name can not hold a NUL character")
    if _REMOTE.match(named):
        raise ConfigurationError(
            f"{SETTING} is {named!r}; only local files can be read, copy them here first (gcloud storage cp)"
        )
    paths = [Path(named)] if Path(named).is_file() else _matching(named)
    if not paths:
        raise _not_found(named)
    files: dict[str, list[Path]] = {}
    for path in paths:
        files.setdefault(_kind(path), []).append(path)
    return BillingSource(named, {kind: tuple(found) for kind, found in files.items()})


def _matching(pattern: str) -> list[Path]:
    return sorted(Path(name) for name in glob.glob(pattern, recursive=True) if Path(name).is_file())  # noqa: PTH207 - absolute patterns too


def _kind(path: Path) -> str:
    suffixes = [suffix.lstrip(".").lower() for suffix in path.suffixes]
    suffix = suffixes[-2] if suffixes[-1:] == ["gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]
    if suffix not in _KINDS:
        raise ConfigurationError(
            f"{SETTING}: {path} is of no known format; known are .csv, .json, .jsonl, .ndjson "
            "(each also .gz) and .parquet"
        )
    return _KINDS[suffix]


def _not_found(named: str) -> ConfigurationError:
    if _TABLE.fullmatch(named) and "/" not in named:
        return ConfigurationError(
            f"{SETTING} is {named!r}, a BigQuery table: reading it in place comes later; until then "
            "extract it (bq extract --destination_format=PARQUET) and name the files"
        )
    if Path(named).is_dir():
        return ConfigurationError(
            f"{SETTING} is {named!r}, a folder; name its files, as in {named}/*.parquet"
        )
    return ConfigurationError(f"{SETTING} is {named!r}; there is no such file, and no file matches it")
