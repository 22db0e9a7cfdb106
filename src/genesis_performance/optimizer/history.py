"""The recommendations that were given, with their states, in the history store.

A recommendation that is given again keeps its state: dismissed stays dismissed. One that its rule no longer
sees disappears, or has succeeded when somebody had claimed it; one that had succeeded and is seen again is
active again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from ..errors import InvalidInputError, StateError, StoreError, UnknownNameError
from ..model.advice import OptimizationRecommendation, RecommendationState
from ..storage import Kind, Store, from_body, open_store, to_body

log = logging.getLogger(__name__)

S = RecommendationState

TRANSITIONS: Mapping[RecommendationState, frozenset[RecommendationState]] = {
    S.ACTIVE: frozenset({S.CLAIMED, S.SUCCEEDED, S.FAILED, S.DISMISSED}),
    S.CLAIMED: frozenset({S.CLAIMED, S.SUCCEEDED, S.FAILED}),
    S.SUCCEEDED: frozenset({S.FAILED, S.CLAIMED}),
    S.FAILED: frozenset({S.SUCCEEDED, S.CLAIMED}),
    S.DISMISSED: frozenset({S.ACTIVE}),
}
"""Google Recommender's: https://cloud.google.com/recommender/docs/key-concepts"""


class RecommendationHistory:
    """Recommendations by id. Opened at first use; what can not be stored is kept in this process."""

    def __init__(self, store: Store | None = None) -> None:
        self._given = store
        self._store = store
        self._kept: dict[str, OptimizationRecommendation] = {}
        self._lock = threading.Lock()

    def all(self) -> list[OptimizationRecommendation]:
        """Every known recommendation, by id."""
        known = dict(self._kept)
        try:
            records = self._opened().list(Kind.RECOMMENDATION)
        except StoreError as error:
            log.warning("recommendations of earlier runs can not be read: %s", error)
            records = []
        for record in records:
            if record.key not in known:
                try:
                    known[record.key] = from_body(OptimizationRecommendation, record.body)
                except StoreError as error:
                    log.warning("recommendation %s is left out: %s", record.key, error)
        return [known[key] for key in sorted(known)]

    def update(
        self,
        service_name: str,
        given: Iterable[OptimizationRecommendation],
        *,
        examined: Collection[str],
        operations: Collection[str],
    ) -> tuple[list[OptimizationRecommendation], tuple[str, ...]]:
        """Keep what was given now, and settle what the examined rules no longer see on this service.

        Args:
            operations: names of those that ran; advice on one that did not is not settled by silence.

        Returns:
            The given ones with their states, and notes on what could not be stored.
        """
        with self._lock:
            known = {r.id: r for r in self.all()}
            current = [_carried_over(r, known.get(r.id)) for r in given]
            notes = [note for r in current if (note := self._put(r))]
            seen = {r.id for r in current}
            for old in known.values():
                looked_at = old.service_name == service_name and old.rule in examined
                operation = old.attributes.get("operation")
                if old.id not in seen and looked_at and (operation is None or operation in operations):
                    self._settle(old)
            return current, tuple(dict.fromkeys(notes))

    def mark(self, identity: str, state: RecommendationState, etag: str) -> OptimizationRecommendation:
        with self._lock:
            known = {r.id: r for r in self.all()}
            if identity not in known:
                raise UnknownNameError(
                    f"no recommendation {identity!r}; known are {', '.join(known) or 'none'}"
                )
            old = known[identity]
            if etag and etag != old.etag:
                raise StateError(f"recommendation {identity} was changed since it was read; read it again")
            if state not in TRANSITIONS[old.state]:
                allowed = ", ".join(sorted(TRANSITIONS[old.state]))
                raise InvalidInputError(
                    f"recommendation {identity} is {old.state}; from there to {allowed} only"
                )
            new = _with_etag(replace(old, state=state))
            note = self._put(new)
            if note:
                raise StoreError(note)
            return new

    def close(self) -> None:
        """Close the store, if it was opened here."""
        if self._given is None and self._store is not None:
            self._store.close()
            self._store = None

    def _settle(self, old: OptimizationRecommendation) -> None:
        if old.state is S.CLAIMED:
            self._put(_with_etag(replace(old, state=S.SUCCEEDED)))
        elif old.state is S.ACTIVE:
            self._kept.pop(old.id, None)
            try:
                self._opened().delete(Kind.RECOMMENDATION, old.id)
            except StoreError as error:
                log.warning("recommendation %s can not be removed: %s", old.id, error)

    def _put(self, recommendation: OptimizationRecommendation) -> str:
        """Store it and return "", or keep it here and return why."""
        try:
            self._opened().put(Kind.RECOMMENDATION, recommendation.id, to_body(recommendation))
        except StoreError as error:
            self._kept[recommendation.id] = recommendation
            return f"recommendations are kept in this process only: {error}"
        self._kept.pop(recommendation.id, None)
        return ""

    def _opened(self) -> Store:
        if self._store is None:
            self._store = open_store()
        return self._store


def _carried_over(
    new: OptimizationRecommendation, old: OptimizationRecommendation | None
) -> OptimizationRecommendation:
    if old is None or old.state is S.ACTIVE:
        return _with_etag(new)
    if old.state is S.SUCCEEDED:
        return _with_etag(replace(new, attributes={**new.attributes, "seen_again_after": S.SUCCEEDED.value}))
    return _with_etag(replace(new, state=old.state))


def _with_etag(recommendation: OptimizationRecommendation) -> OptimizationRecommendation:
    body = json.dumps(to_body(replace(recommendation, etag="")), sort_keys=True)
    return replace(recommendation, etag=hashlib.sha256(body.encode()).hexdigest()[:16])
