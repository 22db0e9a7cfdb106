"""The formats that stacks can be written in: one table, so that nobody else tells them apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..model.stacks import StackProfile
from .collapsed import collapsed
from .pprof import pprof
from .profile_json import profile_json
from .speedscope import speedscope


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFormat:
    """One format.

    ``render(profile, clock, title=..., report=...)`` takes the same of all; each uses what it can show.
    """

    render: Callable[..., str | bytes]
    extension: str
    binary: bool  # ``render`` gives bytes


def _html(profile: StackProfile, clock: str = "cpu", *, title: str = "", report: Any = None, **_: Any) -> str:
    from .flame_graph import flame_graph

    return flame_graph(profile, report=report, title=title or "Profile", clock=clock)


FORMATS: dict[str, StackFormat] = {
    "collapsed": StackFormat(render=collapsed, extension=".collapsed", binary=False),
    "html": StackFormat(render=_html, extension=".html", binary=False),
    "json": StackFormat(render=profile_json, extension=".json", binary=False),
    "pprof": StackFormat(render=pprof, extension=".pb.gz", binary=True),
    "speedscope": StackFormat(render=speedscope, extension=".speedscope.json", binary=False),
}
