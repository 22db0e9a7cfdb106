"""The kinds of records that the history store keeps."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a record is. Retention and the size cap delete history, and spare what is state."""

    RUN = "run"  # a benchmark's result; key: its name
    BASELINE = "baseline"  # what new runs are compared with; key: the operation
    INCIDENT = "incident"  # key: its id
    RECOMMENDATION = "recommendation"  # key: its id
    PROFILE = "profile"  # a finished profiling session; key: its id
    POLICY = "policy"  # an alert policy; key: its name
    REPEATED_CALL = "repeated_call"  # the same call again within one execution; key: the operation
    OPERATION = "operation"  # what an operation recorded in one interval; key: its name
    NOTE = "note"  # anything else worth keeping, such as a deployment; key: free


STATE = frozenset({Kind.BASELINE, Kind.POLICY})
"""Kept at any age, because losing one changes a verdict; the size cap takes them last."""
