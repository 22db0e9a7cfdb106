"""Stacks as a tree of calls, without recursion: a stack may be 10,000 levels deep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..model.stacks import Frame, StackProfile
from .columns import column_index

ROOT = Frame("(all)", "")


@dataclass(slots=True, eq=False)
class Node:
    """One call path. Values are in the order of the profile's value types."""

    frame: Frame
    self_values: tuple[int, ...]  # of samples that ended here
    total_values: tuple[int, ...]  # and of those in calls below
    children: list[Node] = field(default_factory=list, repr=False)  # the largest total first


def tree(profile: StackProfile, column: str = "cpu") -> Node:
    """The root, which stands for the whole profile; children are ordered by a column's total.

    Threads and operations are added up: select first (``frames.selection``) for the tree of one.

    Raises:
        UnknownNameError: the profile has no such column.
    """
    order = column_index(profile, column)
    width = range(len(profile.value_types))
    found: dict[tuple[int, int], int] = {}  # node and frame to the node below
    parents, frames, own = [0], [-1], [[0] for _ in width]
    for stack, values, _, _ in profile.records:
        here = 0
        for index in stack:
            below = found.get((here, index))
            if below is None:
                below = found[here, index] = len(parents)
                parents.append(here)
                frames.append(index)
                for column_values in own:
                    column_values.append(0)
            here = below
        for each in width:
            own[each][here] += values[each]
    whole = [list(column_values) for column_values in own]
    for column_values in whole:
        for node in range(len(parents) - 1, 0, -1):  # children come after their parents
            column_values[parents[node]] += column_values[node]
    self_rows, total_rows = zip(*own, strict=True), zip(*whole, strict=True)
    labels = [ROOT, *(profile.frames[index] for index in frames[1:])]
    nodes = [Node(*each) for each in zip(labels, self_rows, total_rows, strict=True)]
    for number in range(1, len(nodes)):
        nodes[parents[number]].children.append(nodes[number])
    for made in nodes:
        if len(made.children) > 1:
            made.children.sort(key=lambda child: -child.total_values[order])
    return nodes[0]


def walk(root: Node) -> Iterator[tuple[int, Node]]:
    """Every node with its depth, parents first, children in their order."""
    waiting = [(0, root)]
    while waiting:
        depth, node = waiting.pop()
        yield depth, node
        waiting.extend((depth + 1, child) for child in reversed(node.children))
