"""Choose the best set of candidates under limits, exactly.

Branch and bound: a candidate is taken together with all it requires, or left out together with all that
requires it. The bound of a branch drops conflicts and prerequisites and puts a price on effort instead of a
limit (Lagrangian relaxation, Fisher 1981): the best so many by value less priced effort, plus the price of
the effort that is left. It can only be too high, whatever the price; three prices are tried.
A search that runs out of nodes returns the best set found, and the gap to the highest bound still open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

WORK = 40_000_000  # nodes times candidates, about two seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Something to choose. Values and efforts are whole numbers, so that sums and comparisons are exact."""

    id: str
    value: int
    effort: int
    requires: frozenset[str] = frozenset()
    conflicts_with: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen ids and how far they are at most from the best possible, 0.0 when that is proven."""

    ids: frozenset[str]
    value: int
    gap: float


class _Node(NamedTuple):
    bound: int
    depth: int
    taken: frozenset[str]
    left_out: frozenset[str]
    value: int
    effort: int


def choose(
    candidates: Sequence[Candidate], *, max_count: int, max_effort: int, max_nodes: int | None = None
) -> Selection:
    """The set of highest value with at most ``max_count`` candidates and ``max_effort`` effort."""
    search = _Search(candidates, max_count, max_effort)
    return search.run(max_nodes or max(1_000, WORK // (len(candidates) or 1)))


class _Search:
    def __init__(self, candidates: Sequence[Candidate], max_count: int, max_effort: int) -> None:
        self.by_id = {c.id: c for c in candidates}
        self.max_count = max_count
        self.max_effort = max_effort
        self.needs = _closures(self.by_id)
        self.needed_by: dict[str, set[str]] = {c.id: set() for c in candidates}
        for identity, needs in self.needs.items():
            for need in needs & self.by_id.keys():
                self.needed_by[need].add(identity)
        self.against = _symmetric_conflicts(self.by_id)
        self.prices = _prices(candidates, max_count, max_effort)
        self.order = sorted((c.id for c in candidates), key=self._bundle_worth)

    def run(self, max_nodes: int) -> Selection:
        possible = {i for i in self.order if self._can_ever(i)}
        start = frozenset(self.by_id.keys() - possible)
        best, best_value = frozenset[str](), 0
        stack = [self._node(0, frozenset(), start, 0, 0)]
        nodes = 0
        while stack and nodes < max_nodes:
            node = stack.pop()
            nodes += 1
            if node.value > best_value:
                best, best_value = node.taken, node.value
            if node.bound <= best_value:
                continue
            depth = node.depth
            while depth < len(self.order) and self.order[depth] in node.taken | node.left_out:
                depth += 1
            if depth == len(self.order):
                continue
            identity = self.order[depth]
            out = node.left_out | {identity} | self.needed_by[identity]
            stack.append(self._node(depth + 1, node.taken, frozenset(out), node.value, node.effort))
            taken = self._take(identity, node, depth)
            if taken is not None:
                stack.append(taken)  # on top: taking first finds a good set early
        open_bound = max((node.bound for node in stack), default=best_value)
        gap = (open_bound - best_value) / open_bound if open_bound > best_value else 0.0
        return Selection(best, best_value, gap)

    def _can_ever(self, identity: str) -> bool:
        needs = self.needs[identity]
        if not needs <= self.by_id.keys() or len(needs) > self.max_count:
            return False
        fights = any(self.against[need] & needs for need in needs)
        return not fights and sum(self.by_id[need].effort for need in needs) <= self.max_effort

    def _take(self, identity: str, node: _Node, depth: int) -> _Node | None:
        added = self.needs[identity] - node.taken
        taken = node.taken | added
        if added & node.left_out or len(taken) > self.max_count:
            return None
        effort = node.effort + sum(self.by_id[i].effort for i in added)
        if effort > self.max_effort:
            return None
        excluded = set[str]().union(*(self.against[i] for i in added))
        if excluded & taken:
            return None
        for other in tuple(excluded):
            excluded |= self.needed_by[other]
        value = node.value + sum(self.by_id[i].value for i in added)
        return self._node(depth + 1, taken, frozenset(node.left_out | excluded), value, effort)

    def _node(
        self, depth: int, taken: frozenset[str], left_out: frozenset[str], value: int, effort: int
    ) -> _Node:
        gone = taken | left_out
        room, count = self.max_effort - effort, self.max_count - len(taken)
        more = min(price.bound(gone, room, count) for price in self.prices)
        return _Node(value + more, depth, taken, left_out, value, effort)

    def _bundle_worth(self, identity: str) -> tuple[int, str]:
        """Worth of each of a candidate and all it requires, less the price of their effort; best first."""
        price = self.prices[min(1, len(self.prices) - 1)]
        known = [self.by_id[i] for i in self.needs[identity] if i in self.by_id]
        worth = sum(c.value * price.effort - price.value * c.effort for c in known)
        return -worth // (len(known) or 1), identity


class _Price:
    """A price of ``value / effort`` for a unit of effort, and what each candidate is worth less that."""

    def __init__(self, candidates: Sequence[Candidate], value: int, effort: int) -> None:
        self.value, self.effort = value, effort
        worth = ((c.value * effort - value * c.effort, c.id) for c in candidates)
        self.best = sorted((w for w in worth if w[0] > 0), reverse=True)

    def bound(self, gone: frozenset[str], room: int, count: int) -> int:
        """What is left to choose from is worth at most this."""
        total = self.value * room
        for worth, identity in self.best:
            if count <= 0:
                break
            if identity not in gone:
                total += worth
                count -= 1
        return total // self.effort


def _prices(candidates: Sequence[Candidate], max_count: int, max_effort: int) -> list[_Price]:
    """No price, the one with the lowest bound at the start, and half of that.

    The bound is convex in the price and bends only at the candidates' own values an hour or where two of
    them change places; looking at the former is close enough, every price bounds.
    """
    free = _Price(candidates, 0, 1)
    rates = sorted(
        {Fraction(c.value, c.effort) for c in candidates if c.value > 0 and c.effort > 0} | {Fraction(0)}
    )
    tried: dict[int, int] = {}

    def at(i: int) -> int:
        if i not in tried:
            price = _Price(candidates, rates[i].numerator, rates[i].denominator)
            tried[i] = price.bound(frozenset(), max_effort, max_count)
        return tried[i]

    low, high = 0, len(rates) - 1
    while high - low > 2:
        left, right = low + (high - low) // 3, high - (high - low) // 3
        low, high = (low, right) if at(left) <= at(right) else (left, high)
    best = rates[min(range(low, high + 1), key=at)]
    return [free, *(_Price(candidates, r.numerator, r.denominator) for r in (best, best / 2) if r)]


def _closures(by_id: Mapping[str, Candidate]) -> dict[str, frozenset[str]]:
    """Each candidate with all it requires, itself included; unknown ids stay in."""
    closures = {}
    for identity in by_id:
        seen, todo = {identity}, [identity]
        while todo:
            candidate = by_id.get(todo.pop())
            for need in candidate.requires - seen if candidate else ():
                seen.add(need)
                todo.append(need)
        closures[identity] = frozenset(seen)
    return closures


def _symmetric_conflicts(by_id: Mapping[str, Candidate]) -> dict[str, frozenset[str]]:
    against: dict[str, set[str]] = {identity: set() for identity in by_id}
    for candidate in by_id.values():
        for other in candidate.conflicts_with & by_id.keys() - {candidate.id}:
            against[candidate.id].add(other)
            against[other].add(candidate.id)
    return {identity: frozenset(others) for identity, others in against.items()}
