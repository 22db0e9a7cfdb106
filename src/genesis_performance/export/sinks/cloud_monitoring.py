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
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from ...errors import (
    CloudError,
    CloudInvalidError,
    CloudPermissionError,
    CloudUnavailableError,
    GenesisPerformanceError,
)
from ...gcp.calling import call
from ...model.series import Metric, Point, Series
from ..descriptors import create_descriptor
from ..labels import Labels
from ..messages import SECOND_NS, create_request
from ..refusal import Refusal, refusal
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

_Key = tuple[str, Labels]
_Item = tuple[Series, Point]


class _Outcome:
    """What became of one write, while it runs."""

    def __init__(self) -> None:
        self.sent = 0
        self.rejected: list[Rejection] = []
        self.retry: list[Series] = []
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
        self._unix_ns = unix_ns
        self._monotonic = monotonic
        self._described: dict[str, frozenset[str]] = {}  # metric name -> label keys
        self._written: dict[_Key, int] = {}  # end time of the newest point
        self._blocked: dict[_Key, float] = {}  # refused for good, until then

    def write(self, series: Sequence[Series], *, timeout_s: float, final: bool = False) -> WriteResult:
        """Deliver what can be delivered within the time; see ``Sink``."""
        ends = self._monotonic() + timeout_s
        outcome = _Outcome()
        held: list[Series] = []
        items: list[_Item] = []
        held_ns = 0
        for one in self._unblocked(series):
            point = one.points[-1]
            wait_ns = self._written.get(_key(one), 0) + SPACING_NS - point.end_unix_ns
            if wait_ns > 0 and not (final and wait_ns <= MAX_AHEAD_NS):
                held.append(one)
                held_ns = max(held_ns, wait_ns)
                continue
            if wait_ns > 0:
                point = Point(
                    end_unix_ns=point.end_unix_ns + wait_ns,
                    value=point.value,
                    start_unix_ns=point.start_unix_ns,
                )
            items.append((one, point))
        items = self._describe(items, outcome, ends)
        for start in range(0, len(items), MAX_SERIES):
            self._send(items[start : start + MAX_SERIES], outcome, ends)
        return WriteResult(
            sent=outcome.sent,
            rejected=tuple(outcome.rejected),
            retry=tuple(outcome.retry),
            held=tuple(held),
            held_s=held_ns / SECOND_NS,
            errors=tuple(outcome.errors),
        )

    def close(self) -> None:
        """Nothing: the clients belong to the door."""

    def _unblocked(self, series: Sequence[Series]) -> Iterator[Series]:
        now = self._monotonic()
        for one in series:
            until = self._blocked.get(_key(one)) if self._blocked else None
            if until is None or now >= until:
                yield one

    def _describe(self, items: list[_Item], outcome: _Outcome, ends: float) -> list[_Item]:
        """Create what descriptors are missing; return the items that may be sent."""
        keys: dict[str, set[str]] = defaultdict(set)
        metrics: dict[str, Metric] = {}
        for series, _ in items:
            metrics[series.metric.name] = series.metric
            keys[series.metric.name].update(key for key, _ in series.labels)
        not_now: set[str] = set()
        never: dict[str, str] = {}
        for name, metric in metrics.items():
            known = self._described.get(name)
            if known is not None and keys[name] <= known:
                continue
            wanted = frozenset(keys[name]) | (known or frozenset())
            try:
                create_descriptor(
                    self.project, self.prefix, metric, wanted, timeout_s=self._time_for_a_call(ends)
                )
            except CloudPermissionError as error:
                # The first write creates it too, without unit and description.
                log.warning("%s; %s", error, DESCRIPTOR_REMEDY)
            except CloudUnavailableError as error:
                outcome.errors.append(str(error))
                not_now.add(name)
                continue
            except CloudError as error:
                outcome.errors.append(str(error))
                never[name] = str(error)
                continue
            except GenesisPerformanceError as error:  # no package, no credentials: nothing can be sent
                outcome.errors.append(str(error))
                outcome.retry.extend(series for series, _ in items)
                return []
            self._described[name] = wanted
        sendable = []
        for item in items:
            name = item[0].metric.name
            if name in not_now:
                outcome.retry.append(item[0])
            elif name in never:
                self._reject(item[0], never[name], outcome)
            else:
                sendable.append(item)
        return sendable

    def _send(self, batch: list[_Item], outcome: _Outcome, ends: float) -> None:
        if outcome.unavailable >= 2 or self._monotonic() >= ends:
            outcome.retry.extend(series for series, _ in batch)
            return
        request = create_request(self.project, self.prefix, self.resource, batch)
        try:
            call("metrics", "create_time_series", request, timeout_s=self._time_for_a_call(ends))
        except CloudError as error:
            self._judge(batch, error, outcome, ends)
        except GenesisPerformanceError as error:
            outcome.errors.append(str(error))
            outcome.retry.extend(series for series, _ in batch)
        else:
            outcome.unavailable = 0
            self._sent(batch, outcome)

    def _judge(self, batch: list[_Item], error: CloudError, outcome: _Outcome, ends: float) -> None:
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
            outcome.retry.extend(series for series, _ in batch)

    def _sort_out(self, batch: list[_Item], refused: Refusal, outcome: _Outcome) -> None:
        """The good series of the batch are written: deal with the others only."""
        written = [item for index, item in enumerate(batch) if index not in refused.reasons]
        for index, reason in refused.reasons.items():
            series = batch[index][0]
            if reason.is_transient:
                outcome.retry.append(series)
            else:
                self._reject(series, reason.text, outcome)
        self._sent(written, outcome)
        if refused.unnamed:
            outcome.sent -= refused.unnamed
            outcome.rejected.append(Rejection(reason=refused.summary, count=refused.unnamed))

    def _search(self, batch: list[_Item], error: CloudError, outcome: _Outcome, ends: float) -> None:
        """The call was refused whole, so nothing was written: send all but the culprit."""
        outcome.refused_calls += 1
        if len(batch) == 1 or outcome.refused_calls > MAX_REFUSED_CALLS:
            outcome.errors.append(str(error))
            for series, _ in batch:
                self._reject(series, str(error), outcome)
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            self._send(half, outcome, ends)

    def _sent(self, batch: list[_Item], outcome: _Outcome) -> None:
        outcome.sent += len(batch)
        for series, point in batch:
            self._written[_key(series)] = point.end_unix_ns

    def _reject(self, series: Series, reason: str, outcome: _Outcome) -> None:
        outcome.rejected.append(Rejection(reason=reason, series=series))
        self._blocked[_key(series)] = self._monotonic() + BLOCKED_S

    def _time_for_a_call(self, ends: float) -> float:
        return min(max(ends - self._monotonic(), 0.1), CALL_TIMEOUT_S)


def _key(series: Series) -> _Key:
    return series.metric.name, series.labels
