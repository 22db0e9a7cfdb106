"""The history of runs, baselines, incidents and recommendations."""

from .codec import from_body, to_body
from .kinds import Kind
from .lazy import LazyStore
from .store import Record, Store, open_store

__all__ = ["Kind", "LazyStore", "Record", "Store", "from_body", "open_store", "to_body"]
