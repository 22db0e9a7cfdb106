"""No single function of the host uses most of the CPU.

Where one does, it is the first place to look. Self time counts: what the function's own lines took, calls
left out. The share's lower bound decides (Wilson's interval, 95 %), so that few samples name nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ...model.advice import Evidence, Finding, Severity
from ...model.stacks import Frame
from ...rules import Rule
from ._looking import SessionFacts
from ._stacks import Sum, counted, is_own, place

MIN_SHARE = 0.25
"""Of the process's CPU: what a function takes less of can, made twice as fast, gain at most an eighth."""

MIN_SAMPLES = 100
"""Samples with CPU time: at fewer a share of a quarter is known to no better than 8 points."""

MIN_CPU = 0.1
"""Cores in use on average: in a process that mostly idles no function is hot."""


def check(facts: SessionFacts) -> Iterator[Finding]:
    stacks = facts.stacks
    if stacks is None:
        return
    functions: dict[tuple[str, str, int], Sum] = {}
    all_cpu_ns = samples = 0
    for entry in counted(stacks):
        if entry.cpu_ns <= 0 or not entry.record.stack:
            continue
        all_cpu_ns += entry.cpu_ns
        samples += entry.samples
        leaf = stacks.frames[entry.record.stack[-1]]
        if is_own(leaf):
            total = functions.setdefault((leaf.function, leaf.file, leaf.first_line), Sum())
            total.add(entry)
            total.lines[leaf.line] = total.lines.get(leaf.line, 0) + entry.cpu_ns
    if samples < MIN_SAMPLES or all_cpu_ns < MIN_CPU * stacks.duration_s * 1e9:
        return
    for (function, file, first_line), total in sorted(functions.items(), key=lambda item: -item[1].cpu_ns):
        share = total.cpu_ns / all_cpu_ns
        if wilson_low(share, samples) <= MIN_SHARE:
            break
        line = max(total.lines, key=lambda each: (total.lines[each], -each))
        frame = Frame(function, file, line, first_line)
        yield Finding(
            rule=RULE.id,
            severity=RULE.severity,
            resource=function,
            title=f"{function} uses {share:.0%} of the CPU",
            reason=f"{total.cpu_ns / 1e9:.2f} s of {all_cpu_ns / 1e9:.2f} s CPU were used by the lines of "
            f"{function} ({file}:{first_line}), most at line {line} "
            f"({total.lines[line] / total.cpu_ns:.0%}); {samples} samples",
            file=file,
            line=line,
            evidence=(
                Evidence(name="self_cpu_s", value=total.cpu_ns / 1e9, unit="s", source=place(frame)),
                Evidence(name="cpu_s", value=all_cpu_ns / 1e9, unit="s", source="all sampled threads"),
                Evidence(name="samples", value=samples, source="samples with CPU time"),
            ),
        )


def wilson_low(share: float, samples: int, z: float = 1.96) -> float:
    """Lower bound of a share seen in ``samples`` samples.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927).
    """
    spread = z * math.sqrt(share * (1 - share) / samples + z * z / (4 * samples * samples))
    return (share + z * z / (2 * samples) - spread) / (1 + z * z / samples)


RULE = Rule(
    id="profiler/hot-function",
    title="One function uses much of the CPU",
    severity=Severity.INFO,
    needs=frozenset({"stacks"}),
    check=check,
)
