"""A hundred labelled stretches of traffic, played through the real evaluation on a clock of their own.

Each scenario is a service of three operations with durations and errors as services have them, and what goes
wrong in it: a step, a ramp or a spike of latency, bursts of errors, gaps, values that swing around the
threshold, clocks that are set, machines that sleep, processes that start anew. A label says from when to when
an operation is bad; everything else is good. Labels are clear on purpose: a bad operation is so bad that a
whole window of it violates, whatever chance does. And good traffic has no failures while a window holds few
executions, at the start and around gaps: one of ten is above 5 %, which opens an incident here as it does in
Cloud Monitoring. Who does not want that gives the alert a duration.

Judged is what a human would be told: each fault is opened once, within one window, nothing else is opened,
and it closes when it is over.
"""

from __future__ import annotations

import math
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from genesis_performance.model.alert import ApplyMode
from genesis_performance.monitor.alerts import error_rate_alert, response_time_alert
from genesis_performance.monitor.channels import CLOSED, DIGEST, Notification
from genesis_performance.monitor.kinds import ERROR_RATE, RESPONSE_TIME
from genesis_performance.monitor.pipeline import Destination, Pipeline
from genesis_performance.monitor.records import MonitorRecords
from genesis_performance.monitor.watch import TICK_S, Watch
from genesis_performance.operations import Recorder, register

WINDOW_S = 60
THRESHOLD_MS = 500.0
THRESHOLD_PERCENT = 5.0
LENGTH_S = 1200
MEDIAN_MS, SPREAD = 100.0, 0.4  # p95 is 193 ms
ERROR_RATIO = 0.001
FEW = 60  # executions in a window
OPERATIONS = ("pay", "list", "ship")
SECOND_NS = 1_000_000_000
P95_FACTOR = math.exp(1.6449 * SPREAD)


@dataclass(frozen=True, slots=True)
class Fault:
    """One operation is bad from ``begins_s`` to ``ends_s``, in one way."""

    kind: str  # of the alert that is to find it
    operation: str
    begins_s: float
    ends_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens, second by second.

    Args:
        slowness: operation and second to what durations are multiplied by.
        failing: operation and second to the share that fails.
        rate: operation and second to executions a second.
        asleep: spans in which nothing runs and nobody looks.
        clock_set: second to by how many seconds the clock is set.
        restarts: seconds at which the process starts anew.
    """

    name: str
    seed: int
    faults: tuple[Fault, ...] = ()
    slowness: Callable[[str, int], float] = lambda _operation, _second: 1.0
    failing: Callable[[str, int], float] = lambda _operation, _second: ERROR_RATIO
    rate: Callable[[str, int], float] = lambda _operation, _second: 2.0
    asleep: tuple[tuple[int, int], ...] = ()
    clock_set: dict[int, int] = field(default_factory=dict)
    restarts: tuple[int, ...] = ()


@dataclass(slots=True)
class Outcome:
    """What was made of a scenario."""

    scenario: Scenario
    found_after_s: list[float] = field(default_factory=list)
    closed_after_s: list[float] = field(default_factory=list)
    missed: list[Fault] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    flaps: int = 0  # opened more often than there were faults

    @property
    def is_right(self) -> bool:
        return not (self.missed or self.false or self.flaps) and all(
            after_s <= WINDOW_S for after_s in self.found_after_s
        )


def scenarios(number: int = 100, seed: int = 0) -> Iterator[Scenario]:
    """So many scenarios of every sort in turn, each with its own chance."""
    for index in range(number):
        sort = SORTS[index % len(SORTS)]
        chance = random.Random(f"{seed}/{index}")
        yield sort(1000 * seed + index, chance)


def play(scenario: Scenario, folder: Path) -> Outcome:
    """Run it and judge what was told.

    Args:
        folder: for the store.
    """
    stage = _Stage(scenario, folder)
    stage.run()
    return _judged(scenario, stage.told)


# What may happen


def _quiet(index: int, chance: random.Random) -> Scenario:
    return Scenario(name="nothing happens", seed=index)


def _step(index: int, chance: random.Random) -> Scenario:
    fault, factor = _fault(RESPONSE_TIME, chance), chance.uniform(4, 20)
    return Scenario(
        name="latency step",
        seed=index,
        faults=(fault,),
        slowness=lambda operation, second: factor if _within(fault, operation, second) else 1.0,
    )


def _ramp(index: int, chance: random.Random) -> Scenario:
    """Slower and slower; the label begins when its true p95 passes the threshold."""
    operation, begins = chance.choice(OPERATIONS), chance.randint(200, 400)
    slope = chance.uniform(0.02, 0.1)  # of the factor, a second
    needed = THRESHOLD_MS / (MEDIAN_MS * P95_FACTOR)
    passes = begins + (needed - 1) / slope
    ends = int(passes) + chance.randint(150, 300)
    return Scenario(
        name="latency ramp",
        seed=index,
        faults=(Fault(RESPONSE_TIME, operation, passes, ends),),
        slowness=lambda one, second: (
            1 + slope * (second - begins) if one == operation and begins <= second < ends else 1.0
        ),
    )


def _spike(index: int, chance: random.Random) -> Scenario:
    begins = chance.randint(200, 900)
    fault = Fault(RESPONSE_TIME, chance.choice(OPERATIONS), begins, begins + chance.randint(15, 45))
    return Scenario(
        name="latency spike",
        seed=index,
        faults=(fault,),
        slowness=lambda operation, second: 10.0 if _within(fault, operation, second) else 1.0,
    )


def _burst(index: int, chance: random.Random) -> Scenario:
    fault, share = _fault(ERROR_RATE, chance), chance.uniform(0.2, 1.0)
    return Scenario(
        name="error burst",
        seed=index,
        faults=(fault,),
        failing=lambda operation, second: share if _within(fault, operation, second) else ERROR_RATIO,
    )


def _short_bursts(index: int, chance: random.Random) -> Scenario:
    """Half a minute of errors each few minutes: each is a fault, all of one incident or of several."""
    operation, begins = chance.choice(OPERATIONS), chance.randint(100, 200)
    every = chance.randint(200, 300)
    faults = tuple(
        Fault(ERROR_RATE, operation, begins + n * every, begins + n * every + 30) for n in range(3)
    )
    return Scenario(
        name="short error bursts",
        seed=index,
        faults=faults,
        failing=lambda one, second: (
            0.6 if any(_within(fault, one, second) for fault in faults) else ERROR_RATIO
        ),
    )


def _both(index: int, chance: random.Random) -> Scenario:
    """One operation is slow while another fails."""
    slow, failing = chance.sample(OPERATIONS, 2)
    first = Fault(RESPONSE_TIME, slow, 300, 700)
    second_fault = Fault(ERROR_RATE, failing, 400, 800)
    return Scenario(
        name="two faults at once",
        seed=index,
        faults=(first, second_fault),
        slowness=lambda one, second: 6.0 if _within(first, one, second) else 1.0,
        failing=lambda one, second: 0.4 if _within(second_fault, one, second) else ERROR_RATIO,
    )


def _gap(index: int, chance: random.Random) -> Scenario:
    """Nobody calls for some minutes, and nothing is wrong."""
    begins = chance.randint(200, 600)
    ends = begins + chance.randint(60, 400)
    return Scenario(
        name="gap in good traffic",
        seed=index,
        failing=lambda _operation, _second: 0.0,
        rate=lambda _operation, second: 0.0 if begins <= second < ends else 2.0,
    )


def _gap_in_a_fault(index: int, chance: random.Random) -> Scenario:
    fault = Fault(chance.choice((RESPONSE_TIME, ERROR_RATE)), chance.choice(OPERATIONS), 300, 900)
    begins = chance.randint(400, 500)
    ends = begins + chance.randint(70, 300)
    return Scenario(
        name="gap in a fault",
        seed=index,
        faults=(fault,),
        slowness=lambda one, second: (
            6.0 if fault.kind == RESPONSE_TIME and _within(fault, one, second) else 1.0
        ),
        failing=lambda one, second: 0.5 if fault.kind == ERROR_RATE and _within(fault, one, second) else 0.0,
        rate=lambda _operation, second: 0.0 if begins <= second < ends else 2.0,
    )


def _swinging(index: int, chance: random.Random) -> Scenario:
    """The p95 swings around the threshold, begun by a clear step: one incident."""
    fault = Fault(RESPONSE_TIME, chance.choice(OPERATIONS), 200, 1000)
    period = chance.uniform(20, 120)
    at_threshold = THRESHOLD_MS / (MEDIAN_MS * P95_FACTOR)

    def slowness(one: str, second: int) -> float:
        if not _within(fault, one, second):
            return 1.0
        if second < fault.begins_s + 60:
            return 2 * at_threshold
        return at_threshold * (1.12 + 0.12 * math.sin(2 * math.pi * second / period))

    return Scenario(name="swinging around the threshold", seed=index, faults=(fault,), slowness=slowness)


def _below(index: int, chance: random.Random) -> Scenario:
    """Slower, more errors, and still good."""
    operation, begins = chance.choice(OPERATIONS), chance.randint(200, 500)
    return Scenario(
        name="worse and still good",
        seed=index,
        slowness=lambda one, second: 1.6 if one == operation and second >= begins else 1.0,
        failing=lambda one, second: 0.004 if one == operation and second >= begins else ERROR_RATIO,
    )


def _rare(index: int, chance: random.Random) -> Scenario:
    """An operation that runs three times a minute is slow for a while."""
    fault = Fault(RESPONSE_TIME, "ship", 300, 800)
    return Scenario(
        name="rare operation",
        seed=index,
        faults=(fault,),
        slowness=lambda one, second: 15.0 if _within(fault, one, second) else 1.0,
        failing=lambda one, _second: 0.0 if one == "ship" else ERROR_RATIO,
        rate=lambda one, second: (1.0 if second % 20 == 5 else 0.0) if one == "ship" else 2.0,
    )


def _set_clock(index: int, chance: random.Random) -> Scenario:
    fault = Fault(ERROR_RATE, chance.choice(OPERATIONS), 500, 900)
    by = chance.choice((-86_400, -3600, -120, 120, 3600, 86_400))
    return Scenario(
        name="clock is set",
        seed=index,
        faults=(fault,),
        # An old burst of errors must not count again when the clock is set back.
        failing=lambda one, second: 0.5 if _within(fault, one, second) else ERROR_RATIO,
        clock_set={chance.choice((300, 700)): by},
    )


def _asleep(index: int, chance: random.Random) -> Scenario:
    fault = _fault(RESPONSE_TIME, chance)
    begins = 100
    return Scenario(
        name="machine sleeps",
        seed=index,
        faults=(fault,),
        slowness=lambda operation, second: 8.0 if _within(fault, operation, second) else 1.0,
        asleep=((begins, begins + chance.randint(60, 90)),),
    )


def _restarted(index: int, chance: random.Random) -> Scenario:
    fault = Fault(RESPONSE_TIME, chance.choice(OPERATIONS), 300, 900)
    return Scenario(
        name="process starts anew",
        seed=index,
        faults=(fault,),
        slowness=lambda operation, second: 8.0 if _within(fault, operation, second) else 1.0,
        restarts=(chance.randint(450, 800),),
    )


SORTS = (
    _quiet,
    _step,
    _burst,
    _gap,
    _ramp,
    _spike,
    _short_bursts,
    _both,
    _gap_in_a_fault,
    _swinging,
    _below,
    _rare,
    _set_clock,
    _asleep,
    _restarted,
    _step,
    _burst,
)


def _fault(kind: str, chance: random.Random) -> Fault:
    begins = chance.randint(200, 600)
    return Fault(kind, chance.choice(OPERATIONS), begins, begins + chance.randint(120, 400))


def _within(fault: Fault, operation: str, second: float) -> bool:
    return operation == fault.operation and fault.begins_s <= second < fault.ends_s


# The stage


class _Clock:
    """Moved by the scenario; the wall clock may be set, the time that passed may not."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.set_s = 0.0

    def unix_ns(self) -> int:
        return round((1_790_000_000 + self.elapsed_s + self.set_s) * SECOND_NS)

    def monotonic(self) -> float:
        return self.elapsed_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        raise RuntimeError("nothing waits in a scenario")


class _Told:
    """Takes the place of the channels' thread: what was told, and when."""

    def __init__(self, clock: _Clock) -> None:
        self.events: list[tuple[float, Notification]] = []
        self.counts: Counter[str] = Counter()
        self._clock = clock

    def tell(self, notification: Notification) -> None:
        self.events.append((self._clock.elapsed_s, notification))

    def catch_up(self) -> None:
        """Nothing waits here from one process to the next."""


class _Stage:
    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self._scenario = scenario
        self._store = f"sqlite:///{folder / f'{scenario.seed}.db'}"
        self._chance = random.Random(scenario.seed)
        self._clock = _Clock()
        self._told = _Told(self._clock)
        self._now_ns = 0
        self._ran: dict[str, deque[int]] = {}
        self._records: MonitorRecords | None = None
        self._recorder: Recorder
        self._watch: Watch
        self._start()

    @property
    def told(self) -> list[tuple[float, Notification]]:
        return self._told.events

    def run(self) -> None:
        scenario, clock = self._scenario, self._clock
        for second in range(LENGTH_S):
            clock.elapsed_s = float(second)
            clock.set_s += scenario.clock_set.get(second, 0)
            if second in scenario.restarts:
                self._start()
            if any(begins <= second < ends for begins, ends in scenario.asleep):
                continue
            for operation in OPERATIONS:
                for _ in range(self._times(scenario.rate(operation, second))):
                    self._execute(operation, second)
            clock.elapsed_s = second + 1.0
            if (second + 1) % int(TICK_S) == 0:
                self._watch.look()
        self._recorder.reset()
        if self._records is not None:
            self._records.close()

    def _start(self) -> None:
        """A process, with everything that one has."""
        if self._records is not None:
            self._recorder.reset()
            self._records.close()
        self._ran = {operation: deque() for operation in OPERATIONS}
        self._recorder = Recorder(clock_ns=lambda: self._now_ns, wall_clock_ns=self._clock.unix_ns)
        register(self._recorder)
        destination = Destination(
            project=None, prefix="x", service="api", environment="production", sink="none"
        )
        pipeline = Pipeline(destination, clock=self._clock)
        self._records = MonitorRecords(self._store, pipeline.complaints)
        self._watch = Watch(pipeline, self._records, self._told)  # type: ignore[arg-type]
        common = {"duration_s": 0, "channels": (), "apply": ApplyMode.LOCAL}
        for alert in (
            response_time_alert("api", THRESHOLD_MS, "production", quantile=0.95, **common),
            error_rate_alert("api", THRESHOLD_PERCENT, "production", **common),
        ):
            self._watch.add(alert, in_background=False, also=None)

    def _times(self, rate: float) -> int:
        """Poisson, by counting exponential waits."""
        if rate in {0.0, 1.0}:
            return int(rate)
        times, passed = 0, self._chance.expovariate(rate)
        while passed < 1:
            times += 1
            passed += self._chance.expovariate(rate)
        return times

    def _execute(self, operation: str, second: int) -> None:
        factor = self._scenario.slowness(operation, second)
        duration_ms = MEDIAN_MS * factor * self._chance.lognormvariate(0, SPREAD)
        ran = self._ran[operation]
        while ran and ran[0] <= second - WINDOW_S:
            ran.popleft()
        ran.append(second)
        failing = self._scenario.failing(operation, second)
        if failing <= 4 * ERROR_RATIO and len(ran) < FEW:
            failing = 0.0
        try:
            with self._recorder.operation(operation):
                self._now_ns += round(duration_ms * 1e6)
                if self._chance.random() < failing:
                    raise LookupError
        except LookupError:
            pass


def _judged(scenario: Scenario, told: list[tuple[float, Notification]]) -> Outcome:
    outcome = Outcome(scenario)
    opened, closed = [], []
    for at_s, notification in told:
        incident = notification.incident
        assert incident is not None
        assert notification.event != DIGEST
        kind = RESPONSE_TIME if "response-time" in incident.alert_name else ERROR_RATE
        (closed if notification.event == CLOSED else opened).append((at_s, kind, incident.operation))
    for fault in scenario.faults:
        place = (fault.kind, fault.operation)
        # A look may come a window after the last bad execution, and still see it.
        mine = [
            at_s
            for at_s, *where in opened
            if tuple(where) == place and fault.begins_s - WINDOW_S <= at_s <= fault.ends_s + WINDOW_S
        ]
        if not mine:
            outcome.missed.append(fault)
            continue
        outcome.found_after_s.append(max(min(mine) - fault.begins_s, 0.0))
        outcome.flaps += len(mine) - 1
        ended = [at_s for at_s, *where in closed if tuple(where) == place and at_s >= fault.ends_s]
        if ended:
            outcome.closed_after_s.append(min(ended) - fault.ends_s)
    for at_s, kind, operation in opened:
        if not any(
            (fault.kind, fault.operation) == (kind, operation)
            and fault.begins_s - _early(scenario) <= at_s <= fault.ends_s + WINDOW_S
            for fault in scenario.faults
        ):
            outcome.false.append(f"{kind} of {operation} at {at_s:.0f} s")
    return outcome


def _early(scenario: Scenario) -> float:
    """A ramp's window may pass the threshold by chance a little before its true p95 does."""
    return WINDOW_S if scenario.name == "latency ramp" else 0.0
