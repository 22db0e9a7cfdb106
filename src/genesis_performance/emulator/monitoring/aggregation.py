"""Aggregations of a query or a condition: read from the message, checked against the metric, applied.

Sources: the documentation of ``Aggregation`` (at least 60 s; required with an aligner; at most 104 weeks in
queries and 25 h in conditions), and issue threads for the sentence on aligners that do not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..rpc_error import RpcError
from . import alignment, reduction
from .alignment import ALIGNER_NAMES, Shape, align, cannot
from .names import invalid
from .reduction import REDUCER_NAMES, GroupField, group_fields, reduce_streams
from .series import SECOND_NS
from .streams import Source, Stream

MIN_PERIOD_NS = 60 * SECOND_NS
MAX_QUERY_PERIOD_NS = 104 * 7 * 24 * 3600 * SECOND_NS
MAX_CONDITION_PERIOD_NS = 25 * 3600 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One step: an aligner over a period, then a reducer over groups."""

    place: str  # of the message in the request, for error texts
    aligner: str
    period_ns: int
    reducer: str
    fields: tuple[GroupField, ...]


RAW = Aggregation("aggregation", "ALIGN_NONE", 0, "REDUCE_NONE", ())


def read(message: Any, place: str, *, max_period_ns: int = MAX_QUERY_PERIOD_NS) -> Aggregation:
    """Check an aggregation's own form.

    Raises:
        RpcError: INVALID_ARGUMENT by the documented rules, UNIMPLEMENTED for what is not emulated.
    """
    aligner = ALIGNER_NAMES.get(message.per_series_aligner)
    if aligner is None:
        raise invalid(f"{place}.perSeriesAligner", str(message.per_series_aligner), "The aligner is unknown.")
    reducer = REDUCER_NAMES.get(message.cross_series_reducer)
    if reducer is None:
        raise invalid(
            f"{place}.crossSeriesReducer", str(message.cross_series_reducer), "The reducer is unknown."
        )
    for name, known in ((aligner, alignment.IMPLEMENTED), (reducer, reduction.IMPLEMENTED)):
        if name not in known:
            raise RpcError("UNIMPLEMENTED", f"{name} is not emulated.")
    if aligner == "ALIGN_NONE" and reducer != "REDUCE_NONE":
        raise invalid(
            f"{place}.perSeriesAligner",
            aligner,
            "A cross-series reducer needs an aligner other than ALIGN_NONE and an alignment period.",
        )
    period = message.alignment_period
    period_ns = period.seconds * SECOND_NS + period.nanos
    if aligner != "ALIGN_NONE" and not MIN_PERIOD_NS <= period_ns <= max_period_ns:
        raise invalid(
            f"{place}.alignmentPeriod",
            f"{period_ns / SECOND_NS:g}s",
            f"The alignment period must be at least 60 seconds and at most {max_period_ns // SECOND_NS} "
            "seconds.",
        )
    return Aggregation(place, aligner, period_ns, reducer, group_fields(message.group_by_fields, place))


def check(steps: Sequence[Aggregation], shape: Shape) -> Shape:
    """What the steps make of a metric of this kind and value type.

    Raises:
        RpcError: INVALID_ARGUMENT, an aligner or reducer can not be applied.
    """
    for step in steps:
        aligned = alignment.output_shape(step.aligner, *shape)
        if aligned is None:
            raise invalid(f"{step.place}.perSeriesAligner", step.aligner, cannot("aligner", *shape))
        reduced = reduction.output_shape(step.reducer, *aligned)
        if reduced is None:
            raise invalid(f"{step.place}.crossSeriesReducer", step.reducer, cannot("reducer", *aligned))
        shape = reduced
    return shape


def apply(
    sources: Iterable[Source], steps: Sequence[Aggregation], after_ns: int, until_ns: int
) -> list[Stream]:
    """The streams of ``(after_ns, until_ns]``; those without any point are left out."""
    streams: list[Stream] = []
    inputs: Iterable[Source] = sources
    for index, step in enumerate(steps):
        # Every later step looks back a period from the first time it is asked for.
        reach_ns = after_ns - sum(later.period_ns for later in steps[index + 1 :])
        aligned = (align(source, step.aligner, step.period_ns, reach_ns, until_ns) for source in inputs)
        streams = reduce_streams([stream for stream in aligned if stream.ends], step.reducer, step.fields)
        inputs = streams
    return [stream for stream in streams if stream.ends]
