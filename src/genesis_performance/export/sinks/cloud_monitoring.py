"""Write series to Cloud Monitoring through Google's own client.

Descriptors come first, once a metric. Then batches of 200 series with one point each, at least 5 s between
two points of a series. A batch that fails in part says which of its series failed: what can not succeed is
counted, named and not tried for a while; the rest comes again with the next write, where its newer
cumulative point stands for the lost one. No batch is ever sent again as it was.

Source: https://cloud.google.com/monitoring/quotas, and the issues of opentelemetry-operations-python.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from ...errors import (
    CloudError,
    CloudInvalidError,
    CloudPermissionError,
    CloudUnavailableError,
    GenesisPerformanceError,
)
from ...gcp.calling import call
from ...model.series import Metric, Point, Series
from ..cloud_encoding import SECOND_NS, Encoder, Encoding, Item, Shape
from ..descriptors import create_descriptor
from ..refusal import Refusal, is_too_soon, refusal
from ..resource import generic_task
from ..sink import Rejection, WriteResult

log = logging.getLogger(__name__)

MAX_SERIES = 200  # of one call
SPACING_NS = 5 * SECOND_NS
"""Between the end times of two points of a series (https://cloud.google.com/monitoring/quotas)."""

MAX_AHEAD_NS = 2 * SPACING_NS
"""The final point may be dated so far ahead; the service takes 5 minutes."""

CALL_TIMEOUT_S = 12.0  # the client's own deadline for create_time_series
BLOCKED_S = 600.0
"""A series that was refused for good is not sent for so long: its descriptor may have been put right then."""

MAX_REFUSED_CALLS = 40
"""Calls of one write that may be refused whole while the culprit is searched."""

DESCRIPTOR_REMEDY = "the role roles/monitoring.metricWriter has monitoring.metricDescriptors.create"


class _Outcome:
    """What became of one write, while it runs."""

    def __init__(self) -> None:
        self.sent = 0
        self.rejected: list[Rejection] = []
        self.retry: list[Series] = []
        self.held: list[Series] = []
        self.held_ns = 0
        self.errors: list[str] = []
        self.refused_calls = 0
        self.unavailable = 0  # calls in a row


class CloudMonitoringSink:
    """Series of one process in Cloud Monitoring.

    Args:
        project: written to.
        prefix: metrics are ``custom.googleapis.com/<prefix>/<name>``.
        service, environment, location: of the monitored resource.
        unix_ns, monotonic: clocks, for tests.
    """

    spacing_s = SPACING_NS / SECOND_NS

    def __init__(
        self,
        *,
        project: str,
        prefix: str,
        service: str,
        environment: str,
        location: str | None = None,
        unix_ns: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.project = project
        self.prefix = prefix
        self.resource = generic_task(project=project, location=location, namespace=environment, job=service)
        self._encoder = Encoder(project, prefix, self.resource)
        self._unix_ns = unix_ns
        self._monotonic = monotonic
        self._described: dict[str, frozenset[str]] = {}  # metric name -> label keys

    def write(self, series: Sequence[Series], *, timeout_s: float, final: bool = False) -> WriteResult:
        """Deliver what can be delivered within the time; see ``Sink``."""
        ends = self._monotonic() + timeout_s
        outcome = _Outcome()
        # Three lists and not one of tuples: so many new objects at once would make the collector look at all.
        ready: list[Series] = []
        encodings: list[Encoding] = []
        points: list[Point] = []
        now, encoding_of = self._monotonic(), self._encoder.encoding
        for one in series:
            encoding = encoding_of(one)
            if now < encoding.blocked_until:
                continue
            point = one.points[-1]
            wait_ns = encoding.written_ns + SPACING_NS - point.end_unix_ns
            if wait_ns > 0:
                if not (final and wait_ns <= MAX_AHEAD_NS):
                    outcome.held.append(one)
                    outcome.held_ns = max(outcome.held_ns, wait_ns)
                    continue
                point = Point(
                    end_unix_ns=point.end_unix_ns + wait_ns,
                    value=point.value,
                    start_unix_ns=point.start_unix_ns,
                )
            ready.append(one)
            encodings.append(encoding)
            points.append(point)
        self._encoder.forget_all_but(series)
        items = zip(ready, encodings, points, strict=True)
        undescribed = self._undescribed({encoding.shape for encoding in encodings})
        if undescribed:
            self._send_described(items, undescribed, outcome, ends)
        else:
            self._send_all(items, outcome, ends)
        return WriteResult(
            sent=outcome.sent,
            rejected=tuple(outcome.rejected),
            retry=tuple(outcome.retry),
            held=tuple(outcome.held),
            held_s=outcome.held_ns / SECOND_NS,
            errors=tuple(outcome.errors),
        )

    def close(self) -> None:
        """Nothing: the clients belong to the door."""

    def _undescribed(self, shapes: set[Shape]) -> dict[str, tuple[Metric, frozenset[str]]]:
        """The metrics whose descriptors are not there yet, or lack label keys; with all their keys."""
        found: dict[str, tuple[Metric, frozenset[str]]] = {}
        for shape in shapes:
            name = shape.metric.name
            known = self._described.get(name)
            if known is None or not shape.keys <= known:
                _, keys = found.get(name, (None, known or frozenset()))
                found[name] = shape.metric, keys | shape.keys
        return found

    def _send_described(
        self,
        items: Iterable[Item],
        undescribed: Mapping[str, tuple[Metric, frozenset[str]]],
        outcome: _Outcome,
        ends: float,
    ) -> None:
        """Send, once they have descriptors, the new ones last: those may take all the time there is."""
        known: list[Item] = []
        new: list[Item] = []
        for item in items:
            (new if item[0].metric.name in undescribed else known).append(item)
        self._send_all(known, outcome, ends)
        for name, (metric, keys) in undescribed.items():
            if self._monotonic() >= ends:
                break
            try:
                create_descriptor(
                    self.project, self.prefix, metric, keys, timeout_s=self._time_for_a_call(ends)
                )
            except CloudPermissionError as error:
                # The first write creates it too, without unit and description.
                log.warning("%s; %s", error, DESCRIPTOR_REMEDY)
            except CloudInvalidError as error:
                # Another type, or too many labels: the write is refused too, but only for what does not fit.
                outcome.errors.append(str(error))
            except CloudError as error:
                outcome.errors.append(str(error))
                continue
            except GenesisPerformanceError as error:  # no package, no credentials: nothing can be sent
                outcome.errors.append(str(error))
                break
            self._described[name] = keys
        ready = [item for item in new if item[0].metric.name in self._described]
        outcome.retry.extend(item[0] for item in new if item[0].metric.name not in self._described)
        self._send_all(ready, outcome, ends)

    def _send_all(self, items: Iterable[Item], outcome: _Outcome, ends: float) -> None:
        rest = iter(items)
        while batch := list(islice(rest, MAX_SERIES)):
            self._send(batch, outcome, ends)

    def _send(self, batch: list[Item], outcome: _Outcome, ends: float) -> None:
        if outcome.unavailable >= 2 or self._monotonic() >= ends:
            outcome.retry.extend(series for series, _, _ in batch)
            return
        content = self._encoder.request(batch)
        try:
            call("metrics", "create_time_series", _request(content), timeout_s=self._time_for_a_call(ends))
        except CloudError as error:
            self._judge(batch, error, outcome, ends)
        except GenesisPerformanceError as error:
            outcome.errors.append(str(error))
            outcome.retry.extend(series for series, _, _ in batch)
        else:
            outcome.unavailable = 0
            self._sent(batch, outcome)

    def _judge(self, batch: list[Item], error: CloudError, outcome: _Outcome, ends: float) -> None:
        refused = refusal(error, len(batch))
        if refused is not None:
            outcome.errors.append(str(error))
            outcome.unavailable = 0
            self._sort_out(batch, refused, outcome)
        elif isinstance(error, CloudInvalidError):
            self._search(batch, error, outcome, ends)
        else:
            outcome.errors.append(str(error))
            if isinstance(error, CloudUnavailableError):
                outcome.unavailable += 1
                if error.code == "UNAVAILABLE":
                    # An emulator that was restarted has lost them; to create them again costs little.
                    self._described.clear()
            outcome.retry.extend(series for series, _, _ in batch)

    def _sort_out(self, batch: list[Item], refused: Refusal, outcome: _Outcome) -> None:
        """The good series of the batch are written: deal with the others only."""
        written = [item for index, item in enumerate(batch) if index not in refused.reasons]
        for index, reason in refused.reasons.items():
            if is_too_soon(reason.text):
                self._hold([batch[index]], outcome)
            elif reason.is_transient:
                outcome.retry.append(batch[index][0])
            else:
                self._reject(batch[index], reason.text, outcome)
        self._sent(written, outcome)
        if refused.unnamed:
            outcome.sent -= refused.unnamed
            if is_too_soon(refused.summary):
                self._hold(written, outcome)
            else:
                outcome.rejected.append(Rejection(reason=refused.summary, count=refused.unnamed))

    def _search(self, batch: list[Item], error: CloudError, outcome: _Outcome, ends: float) -> None:
        """The call was refused whole, so nothing was written: send all but the culprit."""
        outcome.refused_calls += 1
        if len(batch) == 1 or outcome.refused_calls > MAX_REFUSED_CALLS:
            outcome.errors.append(str(error))
            if is_too_soon(str(error)):
                self._hold(batch, outcome)
                return
            for item in batch:
                self._reject(item, str(error), outcome)
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            self._send(half, outcome, ends)

    def _sent(self, batch: list[Item], outcome: _Outcome) -> None:
        outcome.sent += len(batch)
        for _, encoding, point in batch:
            encoding.written_ns = point.end_unix_ns

    def _hold(self, batch: list[Item], outcome: _Outcome) -> None:
        """Another process wrote them just before: their next points stand for these."""
        for series, encoding, point in batch:
            encoding.written_ns = point.end_unix_ns
            outcome.held.append(series)
        outcome.held_ns = max(outcome.held_ns, SPACING_NS)

    def _reject(self, item: Item, reason: str, outcome: _Outcome) -> None:
        series, encoding, _ = item
        outcome.rejected.append(Rejection(reason=reason, series=series))
        encoding.blocked_until = self._monotonic() + BLOCKED_S

    def _time_for_a_call(self, ends: float) -> float:
        return min(max(ends - self._monotonic(), 0.1), CALL_TIMEOUT_S)


def _request(content: bytes) -> Any:
    """The client's own message of what we encoded; to build it field by field takes five times as long."""
    from google.cloud.monitoring_v3.types import CreateTimeSeriesRequest

    return CreateTimeSeriesRequest.deserialize(content)
