"""Two profiles compared: which functions explain the difference, and is it more than sampling noise?

Before is scaled so that both sides are about the same amount of work; four bases say how:

``matched`` (default)
    by the median of the functions' ratios after/before, as sequencing counts are normalised: Anders and
    Huber, "Differential expression analysis for sequence count data", Genome Biology 11 (2010), R106. It
    assumes that fewer than half of the functions changed, which a share does not need but blurs: under a
    share, one slower function makes all others look faster. Length and load of the sessions do not matter.
``share``
    both totals are made equal; in place of ``matched`` where fewer than three functions have enough samples.
``second``
    by the durations: after a change under a steady load.
``absolute``
    not at all: two runs of the same work.

Noise: samples of a function are counts, nearly Poisson. For counts x before and y after, with y expected to
be s times x, ``2 |sqrt(y + 3/8) - sqrt(s (x + 3/8))| / sqrt(1 + s)`` is nearly standard normal: Huffman, "An
improved approximate two-sample Poisson test", Applied Statistics 33 (1984). Many functions are compared at
once, so what is called beyond noise is limited to a false discovery rate of 5 %: Benjamini and Hochberg,
Journal of the Royal Statistical Society B 57 (1995). The noise between two runs of one program (layout, host,
input) is not in it: two profiles alone can not show that.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import NormalDist

from ..errors import InvalidInputError
from ..model.stack_difference import FunctionDifference, StackDifference
from ..model.stacks import SAMPLES, Frame, StackProfile
from .columns import TIME_UNIT, clock_column, column_index, total
from .paths import parts

BASES = ("matched", "share", "second", "absolute")
FALSE_DISCOVERIES = 0.05
ENOUGH_SAMPLES = 10
"""On each side, of a function whose ratio helps to match the two: below, its own noise is above 40 %."""
FEWEST_MATCHED = 3

_Key = tuple[str, str]  # function, file
_NORMAL = NormalDist()


def difference(
    before: StackProfile, after: StackProfile, *, column: str = "cpu", basis: str = "matched"
) -> StackDifference:
    """Compare two profiles function by function; lines that moved within a function do not matter.

    Functions match by their qualified name and file. A file may lie elsewhere on the other side: then the
    longest common end of the path decides.

    Args:
        column: of both; a clock that a profile of another tool lacks is replaced as in ``clock_column``.

    Raises:
        InvalidInputError: an unknown basis, columns of different units, or ``second`` without durations.
        UnknownNameError: a profile has no columns.
    """
    if basis not in BASES:
        raise InvalidInputError(f"basis is {basis!r}; it must be one of {', '.join(BASES)}")
    columns = [_column(profile, column) for profile in (before, after)]
    kinds = [profile.value_types[index] for profile, index in zip((before, after), columns, strict=True)]
    if kinds[0].unit != kinds[1].unit:
        raise InvalidInputError(
            f"before is in {kinds[0].unit} ({kinds[0].name}), after in {kinds[1].unit} ({kinds[1].name}); "
            "compare columns of one unit"
        )
    sides = (_Side(before, columns[0]), _Side(after, columns[1]))
    pairs = _pairs(sides[0], sides[1])
    chosen, scale, notes = _scale(basis, sides, pairs)
    rows = _rows(sides, pairs, scale)
    return StackDifference(
        column=kinds[1],
        basis=chosen,
        scale=scale,
        total_before=sides[0].total,
        total_after=sides[1].total,
        samples_before=sides[0].samples,
        samples_after=sides[1].samples,
        duration_before_s=before.duration_s,
        duration_after_s=after.duration_s,
        rows=rows,
        notes=(*notes, *_remarks(sides, kinds[0].name, kinds[1].name)),
    )


def _column(profile: StackProfile, column: str) -> int:
    return clock_column(profile, column) if column in ("cpu", "wall") else column_index(profile, column)


class _Side:
    """Self and total of every function of one profile, by name and file."""

    def __init__(self, profile: StackProfile, column: int) -> None:
        keys: dict[_Key, int] = {}
        function = [keys.setdefault((each.function, each.file), len(keys)) for each in profile.frames]
        own, whole = [0] * len(keys), [0] * len(keys)
        lines: dict[int, int] = {}
        for index, frame in enumerate(profile.frames):
            line = frame.first_line or frame.line
            lines[function[index]] = min(line, lines.get(function[index], line))
        for stack, values, _, _ in profile.records:
            if not stack:
                continue
            own[function[stack[-1]]] += values[column]
            for each in {function[index] for index in stack}:
                whole[each] += values[column]
        self.frames = {key: Frame(*key, 0, lines[number]) for key, number in keys.items()}
        self.own = {key: own[number] for key, number in keys.items()}
        self.whole = {key: whole[number] for key, number in keys.items()}
        self.total = total(profile, column)
        self.duration_s = profile.duration_s
        self.samples = _sample_count(profile, column, self.total)

    def counts(self, value: int) -> float:
        """Samples that a part of the total stands for."""
        return max(value, 0) * (self.samples or 0.0) / self.total if self.total > 0 else 0.0


def _sample_count(profile: StackProfile, column: int, whole: int) -> float | None:
    """How many samples the column's total is worth; ``None`` where the profile does not tell.

    A clock's nanoseconds are worth one sample a period, and never more than were taken: a thread that ran
    for a tenth of a period is not the evidence of a whole sample.
    """
    if profile.value_types[column].unit == SAMPLES.unit:
        return float(whole)
    counted = next((i for i, kind in enumerate(profile.value_types) if kind == SAMPLES), None)
    taken = float(total(profile, counted)) if counted is not None else math.inf
    if profile.value_types[column].unit == TIME_UNIT and profile.period_ns > 0:
        return min(taken, whole / profile.period_ns)
    return taken if math.isfinite(taken) else None


_Pair = tuple[_Key | None, _Key | None]


def _pairs(before: _Side, after: _Side) -> list[_Pair]:
    """Functions of both sides that are the same one, and those that only one side has."""
    pairs: list[_Pair] = [(key, key) for key in after.own if key in before.own]
    lone_before = [key for key in before.own if key not in after.own]
    lone_after = [key for key in after.own if key not in before.own]
    for depth in (6, 5, 4, 3, 2, 1):
        tails = [_by_tail(keys, depth) for keys in (lone_before, lone_after)]
        found = [
            (old[0], tails[1][tail][0])
            for tail, old in tails[0].items()
            if len(old) == 1 and len(tails[1].get(tail, ())) == 1
        ]
        pairs.extend(found)
        gone, come = {old for old, _ in found}, {new for _, new in found}
        lone_before = [key for key in lone_before if key not in gone]
        lone_after = [key for key in lone_after if key not in come]
    pairs.extend((key, None) for key in lone_before)
    pairs.extend((None, key) for key in lone_after)
    return pairs


def _by_tail(keys: Sequence[_Key], depth: int) -> dict[tuple[str, ...], list[_Key]]:
    groups: dict[tuple[str, ...], list[_Key]] = defaultdict(list)
    for function, file in keys:
        groups[function, *parts(file)[-depth:]].append((function, file))
    return groups


def _scale(basis: str, sides: tuple[_Side, _Side], pairs: Sequence[_Pair]) -> tuple[str, float, list[str]]:
    before, after = sides
    if basis == "absolute":
        return basis, 1.0, []
    if basis == "second":
        if before.duration_s <= 0 or after.duration_s <= 0:
            raise InvalidInputError("a profile has no duration; use basis 'matched', 'share' or 'absolute'")
        return basis, after.duration_s / before.duration_s, []
    if before.total <= 0 or after.total <= 0:
        return "absolute", 1.0, ["one side is empty: nothing to match, values are as measured"]
    if basis == "matched":
        ratios = sorted(
            after.own[new] / before.own[old]
            for old, new in pairs
            if old is not None
            and new is not None
            and min(before.counts(before.own[old]), after.counts(after.own[new])) >= ENOUGH_SAMPLES
        )
        if len(ratios) >= FEWEST_MATCHED:
            middle = len(ratios) // 2
            low = ratios[middle] if len(ratios) % 2 else ratios[middle - 1]
            return basis, math.sqrt(low * ratios[middle]), []
    note = (
        f"fewer than {FEWEST_MATCHED} functions have {ENOUGH_SAMPLES} samples on both sides: shares compared"
    )
    return "share", after.total / before.total, [note] if basis == "matched" else []


def _rows(sides: tuple[_Side, _Side], pairs: Sequence[_Pair], scale: float) -> tuple[FunctionDifference, ...]:
    before, after = sides
    measured = []
    for old, new in pairs:
        own = (before.own[old] if old else 0, after.own[new] if new else 0)
        whole = (before.whole[old] if old else 0, after.whole[new] if new else 0)
        frame = after.frames[new] if new else before.frames[old or ("", "")]
        measured.append((frame, own, whole))
    moved = sum(abs(own[1] - scale * own[0]) for _, own, _ in measured)
    self_p = [_probability(sides, own, scale) for _, own, _ in measured]
    total_p = [_probability(sides, whole, scale) for _, _, whole in measured]
    limit = _discovery_limit([*self_p, *total_p])
    rows = []
    for (frame, own, whole), own_p, whole_p in zip(measured, self_p, total_p, strict=True):
        change = own[1] - scale * own[0]
        beyond = None if own_p is None or whole_p is None else min(own_p, whole_p) <= limit
        rows.append(
            FunctionDifference(
                function=frame.function,
                file=frame.file,
                line=frame.first_line,
                self_before=own[0],
                self_after=own[1],
                total_before=whole[0],
                total_after=whole[1],
                self_change=change,
                total_change=whole[1] - scale * whole[0],
                explains=abs(change) / moved if moved else 0.0,
                self_p=own_p,
                total_p=whole_p,
                beyond_noise=beyond,
            )
        )
    rows.sort(key=lambda row: (-row.explains, -abs(row.total_change), row.function, row.file))
    return tuple(rows)


def _probability(sides: tuple[_Side, _Side], values: tuple[int, int], scale: float) -> float | None:
    """Two-sided, of counts this far apart from sampling alone."""
    before, after = sides
    if before.samples is None or after.samples is None:
        return None
    x, y = before.counts(values[0]), after.counts(values[1])
    if (
        not before.samples or not after.samples
    ):  # a side without samples: its counts are 0, weights as the other's
        ratio = scale
    else:
        # scale is of weights; counts differ from it by what one sample weighs on each side
        ratio = scale * (before.total / before.samples) * (after.samples / after.total)
    score = 2 * abs(math.sqrt(y + 0.375) - math.sqrt(ratio * (x + 0.375))) / math.sqrt(1 + ratio)
    return min(2 * (1 - _NORMAL.cdf(score)), 1.0)


def _discovery_limit(probabilities: Sequence[float | None]) -> float:
    """Largest probability that still counts as a discovery; below 0 where none does."""
    known = sorted(each for each in probabilities if each is not None)
    passing = [p for rank, p in enumerate(known, 1) if p <= FALSE_DISCOVERIES * rank / len(known)]
    return max(passing, default=-1.0)


def _remarks(sides: tuple[_Side, _Side], before: str, after: str) -> list[str]:
    said = []
    if before != after:
        said.append(f"before is column {before!r}, after is column {after!r}")
    if any(side.samples is None for side in sides):
        said.append("a side has no count of samples: noise can not be judged")
    said.extend(
        f"{name} has no samples"
        for name, side in zip(("before", "after"), sides, strict=True)
        if not side.total
    )
    return said
