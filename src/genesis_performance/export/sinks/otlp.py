"""Write series over OTLP/HTTP: to Google's Telemetry API, the emulator, or any collector.

Points are cumulative, so nothing is sent again as it was: what could not be delivered comes with the next
write, where a newer point stands for it. What the endpoint refused in part is counted with its words and, as
the specification asks, not tried again.

Source: https://opentelemetry.io/docs/specs/otlp/ (which statuses may be retried, ``partial_success``)
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from ...errors import GenesisPerformanceError
from ...model.series import Point, Series
from ..otlp_encoding import Encoder, Item
from ..otlp_http import RETRYABLE, TOO_LARGE, Answer, Connection
from ..otlp_target import SPACING_S, Target
from ..refusal import is_too_soon
from ..sink import Rejection, WriteResult

log = logging.getLogger(__name__)

SECOND_NS = 1_000_000_000
MOST_WAIT_S = 600.0
"""A longer Retry-After is a mistake of somebody's."""


class _Outcome:
    """What became of one write, while it runs."""

    def __init__(self) -> None:
        self.sent = 0
        self.rejected: list[Rejection] = []
        self.retry: list[Series] = []
        self.held: list[Series] = []
        self.held_s = 0.0
        self.errors: list[str] = []
        self.is_over = False  # the endpoint is not asked again in this write


class OtlpSink:
    """Series of one process at an OTLP endpoint.

    Args:
        prefix: names that are ours are ``<prefix>.<name>``.
        monotonic: a clock, for tests.
    """

    def __init__(
        self, target: Target, *, prefix: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.target = target
        self.spacing_s = target.spacing_s
        self._encoder = Encoder(prefix, target.resource)
        self._connection = Connection(target)
        self._monotonic = monotonic
        self._max_points = target.max_points
        self._spacing_ns = round(target.spacing_s * SECOND_NS)
        self._asked_to_wait_until = 0.0
        self._warned = ""

    def write(self, series: Sequence[Series], *, timeout_s: float, final: bool = False) -> WriteResult:
        """Deliver what can be delivered within the time; see ``Sink``."""
        now = self._monotonic()
        if now < self._asked_to_wait_until:
            return WriteResult(held=tuple(series), held_s=self._asked_to_wait_until - now)
        outcome = _Outcome()
        size = self.target.max_points
        for start in range(0, len(series), size):
            items = self._due(series[start : start + size], outcome, final=final)
            if items:
                self._send(items, outcome, now + timeout_s)
        return WriteResult(
            sent=outcome.sent,
            rejected=tuple(outcome.rejected),
            retry=tuple(outcome.retry),
            held=tuple(outcome.held),
            held_s=outcome.held_s,
            errors=tuple(outcome.errors),
        )

    def close(self) -> None:
        """Close the connection; a later write opens it again."""
        self._connection.close()

    def _due(self, series: Sequence[Series], outcome: _Outcome, *, final: bool) -> list[Item]:
        items: list[Item] = []
        spacing_ns = self._spacing_ns
        encoding_of = self._encoder.encoding
        for one in series:
            encoding = encoding_of(one)
            point = one.points[-1]
            wait_ns = encoding.written_ns + spacing_ns - point.end_unix_ns
            if spacing_ns and wait_ns > 0:
                if not final or wait_ns > 2 * spacing_ns:
                    outcome.held.append(one)
                    outcome.held_s = max(outcome.held_s, wait_ns / SECOND_NS)
                    continue
                # The last point of the process is dated a little ahead rather than not sent.
                end_ns = point.end_unix_ns + wait_ns
                point = Point(end_unix_ns=end_ns, value=point.value, start_unix_ns=point.start_unix_ns)
            items.append((one, encoding, point))
        return items

    def _send(self, batch: list[Item], outcome: _Outcome, ends: float) -> None:
        size = self._max_points  # it may shrink while the parts are sent
        if len(batch) > size:
            for start in range(0, len(batch), size):
                self._send(batch[start : start + size], outcome, ends)
            return
        left_s = ends - self._monotonic()
        if outcome.is_over or left_s <= 0:
            self._not_now(batch, outcome)
            return
        body = self._encoder.request(batch)
        try:
            answer = self._connection.post(body, timeout_s=min(left_s, self.target.timeout_s))
        except GenesisPerformanceError as error:  # no package, no credentials: nothing can be sent
            outcome.errors.append(str(error))
            outcome.is_over = True
            self._not_now(batch, outcome)
            return
        self._judge(batch, answer, outcome, ends)

    def _judge(self, batch: list[Item], answer: Answer, outcome: _Outcome, ends: float) -> None:
        if 200 <= answer.status < 300:
            self._taken(batch, answer, outcome)
            return
        if answer.status == TOO_LARGE and len(batch) > 1:
            self._max_points = max(len(batch) // 2, 1)
            self._send(batch, outcome, ends)
            return
        outcome.errors.append(f"POST {self.target.url}: {answer.message}")
        if answer.status == 0 or answer.status >= 500:
            self._note(batch)  # they may be stored all the same: the next ones keep their distance
        if answer.status in RETRYABLE or answer.status == 0 or answer.status in _MAY_BE_PUT_RIGHT:
            outcome.is_over = True
            if answer.retry_after_s is not None and answer.status in RETRYABLE:
                outcome.held_s = min(max(answer.retry_after_s, outcome.held_s), MOST_WAIT_S)
                self._asked_to_wait_until = self._monotonic() + outcome.held_s
            self._not_now(batch, outcome)
            return
        outcome.rejected.append(Rejection(reason=answer.message, count=len(batch)))

    def _taken(self, batch: list[Item], answer: Answer, outcome: _Outcome) -> None:
        rejected = min(max(answer.rejected, 0), len(batch))
        outcome.sent += len(batch) - rejected
        if rejected and is_too_soon(answer.message):
            # It does not say which: all of them wait, and their next points stand for these.
            outcome.errors.append(f"POST {self.target.url}: {answer.message}")
            outcome.held.extend(series for series, _, _ in batch)
            outcome.held_s = max(outcome.held_s, SPACING_S)
        elif rejected:
            reason = answer.message or "the endpoint gave no reason"
            outcome.rejected.append(Rejection(reason=reason, count=rejected))
        elif answer.message and answer.message != self._warned:
            self._warned = answer.message
            log.warning("%s took the metrics and says: %s", self.target.url, answer.message)
        self._note(batch)

    def _note(self, batch: list[Item]) -> None:
        for _, encoding, point in batch:
            encoding.written_ns = point.end_unix_ns

    def _not_now(self, batch: list[Item], outcome: _Outcome) -> None:
        waiting = outcome.held if self._monotonic() < self._asked_to_wait_until else outcome.retry
        waiting.extend(series for series, _, _ in batch)


_MAY_BE_PUT_RIGHT = frozenset({401, 403, 404, 407, 408})
"""Final for this request, but not for its points: a role is granted, a collector is set up."""
