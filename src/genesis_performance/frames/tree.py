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
    self_values: list[int]  # of samples that ended here
    total_values: list[int]  # and of those in calls below
    children: list[Node] = field(default_factory=list, repr=False)  # the largest total first


def tree(profile: StackProfile, column: str = "cpu") -> Node:
    """The root, which stands for the whole profile; children are ordered by a column's total.

    Threads and operations are added up: select first (``frames.selection``) for the tree of one.

    Raises:
        UnknownNameError: the profile has no such column.
    """
    order = column_index(profile, column)
    width = range(len(profile.value_types))
    root = Node(ROOT, [0 for _ in width], [0 for _ in width])
    paths: list[tuple[Node, dict[int, int], Node]] = []  # node, children by frame, parent; parents come first
    paths.append((root, {}, root))
    for stack, values, _, _ in profile.records:
        here = 0
        for index in stack:
            below = paths[here][1]
            found = below.get(index)
            if found is None:
                found = below[index] = len(paths)
                node = Node(profile.frames[index], [0 for _ in width], [0 for _ in width])
                paths.append((node, {}, paths[here][0]))
            here = found
        own = paths[here][0].self_values
        for each in width:
            own[each] += values[each]
    for node, _, parent in reversed(paths):
        for each in width:
            node.total_values[each] += node.self_values[each]
        if node is not root:
            for each in width:
                parent.total_values[each] += node.total_values[each]
            parent.children.append(node)
    for node, _, _ in paths:
        node.children.reverse()  # as they were met, so that equal totals keep that order
        node.children.sort(key=lambda child: -child.total_values[order])
    return root


def walk(root: Node) -> Iterator[tuple[int, Node]]:
    """Every node with its depth, parents first, children in their order."""
    waiting = [(0, root)]
    while waiting:
        depth, node = waiting.pop()
        yield depth, node
        waiting.extend((depth + 1, child) for child in reversed(node.children))
