"""What a function is, among frames that name its lines: the same name, file and first line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..model.stacks import Frame, StackProfile
from .gathering import Gathering
from .paths import library_of


def function_of(frame: Frame) -> Frame:
    """The frame that stands for all lines of a function."""
    return Frame(frame.function, frame.file, frame.first_line, frame.first_line)


def by_function(profile: StackProfile) -> StackProfile:
    """Lines of one function are added up; every sum stays."""
    return relabelled(profile, function_of)


def relabelled(profile: StackProfile, label: Callable[[Frame], Frame]) -> StackProfile:
    """Each frame replaced by another; stacks that become equal are added up."""
    made = Gathering(profile.value_types)
    place = [made.frame(label(frame)) for frame in profile.frames]
    for stack, values, thread, operation in profile.records:
        made.add(tuple([place[index] for index in stack]), values, thread, operation)
    return made.like(profile)


def libraries_grouped(profile: StackProfile) -> StackProfile:
    """Consecutive frames of one installed package, or of one of the standard library's, become one frame.

    The frame is named after the package in brackets, its file is the package's folder. Own code stays.
    Every sum stays.
    """
    made = Gathering(profile.value_types)
    libraries = [library_of(frame.file) for frame in profile.frames]
    place = [
        made.frame(Frame(f"[{package}]", folder) if package else frame)
        for frame, (package, folder) in zip(profile.frames, libraries, strict=True)
    ]
    grouped = {place[index] for index, (package, _) in enumerate(libraries) if package}
    for stack, values, thread, operation in profile.records:
        path: list[int] = []
        for index in stack:
            here = place[index]
            if not (path and here in grouped and path[-1] == here):
                path.append(here)
        made.add(tuple(path), values, thread, operation)
    return made.like(profile)


LONGEST_CYCLE = 8
"""Functions of one cycle that ``recursion_collapsed`` sees."""


def recursion_collapsed(profile: StackProfile) -> StackProfile:
    """A function that calls itself, or a cycle of up to eight that repeats, is shown once.

    Of the repeats the innermost is kept, because its last line is the one that ran. Every sum stays, and the
    total of every function too.
    """
    functions: dict[Frame, int] = {}
    kind = [functions.setdefault(function_of(frame), len(functions)) for frame in profile.frames]
    made = Gathering(profile.value_types)
    place = [made.frame(frame) for frame in profile.frames]
    for stack, values, thread, operation in profile.records:
        made.add(tuple([place[index] for index in _unrepeated(stack, kind)]), values, thread, operation)
    return made.like(profile)


def _unrepeated(stack: Sequence[int], kind: Sequence[int]) -> list[int]:
    path: list[int] = []
    names: list[int] = []
    for index in stack:
        path.append(index)
        names.append(kind[index])
        length = 1
        while length <= LONGEST_CYCLE:
            if 2 * length <= len(names) and names[-length:] == names[-2 * length : -length]:
                del names[-2 * length : -length], path[-2 * length : -length]
                length = 1  # what is left may itself be the end of a cycle
            else:
                length += 1
    return path
