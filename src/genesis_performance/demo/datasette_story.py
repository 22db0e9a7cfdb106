"""Datasette under traffic, watched through its plugin hook: an application that none of us wrote."""

from __future__ import annotations

import random
from pathlib import Path
from urllib.parse import quote

from . import cloud, inventory, records
from .screen import Screen
from .stage import Stage, Step, StepFailedError
from .traffic import Traffic

SERVICE = "datasette"
BANNER = "demo: simulated visitors of a real Datasette, on a local Google Cloud emulator"
OPERATIONS = frozenset(
    {
        "GET /",
        "GET /{database}",
        "GET /{database}/{table}",
        "GET /{database}/{table}/{row}",
        "GET /{database}.json",
    }
)
RATE_PER_S = 12.0
WATCHED_INTERVALS = 5
MOST_OTHERS = 30


class DatasetteStage(Stage):
    """Datasette on a database of the standard library's definitions."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen, SERVICE)

    def set_up(self) -> None:
        super().set_up()
        path = self.folder / "stdlib.db"
        modules, self.definitions = self.during("the database is made", lambda: inventory.create(path))
        plugins = Path(__file__).parent / "datasette_plugin"
        process = self.start_web(
            "datasette",
            lambda port: [
                "-m",
                "datasette",
                "serve",
                str(path),
                "--plugins-dir",
                str(plugins),
                "-p",
                str(port),
            ],
            "/-/versions.json",
        )
        self.screen.say(
            "SETUP",
            f"Datasette as process {process.pid} on port {process.port}, SQLite with {self.definitions} "
            f"definitions in {modules} modules of the standard library",
        )
        self.traffic = Traffic(process.port, self.request, rate_per_s=RATE_PER_S)
        self.at_end(self.traffic.stop)

    def request(self, dice: random.Random) -> tuple[str, str]:
        """One request of a visitor: pages, rows, and SQL of their own."""
        query = quote("select kind, count(*) from definition group by kind")
        paths = (
            "/",
            "/stdlib",
            "/stdlib/module?_sort_desc=lines",
            "/stdlib/definition?kind=class&_size=20&_sort=name",
            f"/stdlib/definition/{dice.randint(1, self.definitions)}",
            f"/stdlib/definition/{dice.randint(1, self.definitions)}",
            f"/stdlib.json?sql={query}",
        )
        return "GET", dice.choice(paths)


def operations_appear(stage: DatasetteStage) -> str | None:
    names = {one.snapshot.name for one in records.intervals(stage.store, SERVICE)}
    if not names >= OPERATIONS:
        return None
    assert not any("stdlib" in name for name in names), f"raw paths in {names}"
    return f"{len(names)} operations are recorded, each under its template"


def metrics_land(stage: DatasetteStage) -> str | None:
    counts = cloud.recorded_executions(SERVICE)
    if not set(counts) >= OPERATIONS:
        return None
    total = sum(counts.values())
    return f"Cloud Monitoring holds {total} executions of {len(counts)} operations (ListTimeSeries)"


def enough_is_seen(stage: DatasetteStage) -> str | None:
    found = records.intervals(stage.store, SERVICE)
    if len({one.end_unix_ns for one in found}) < WATCHED_INTERVALS:
        return None
    assert stage.traffic is not None
    seen, sent = sum(one.snapshot.count for one in found), stage.traffic.answered + stage.traffic.failed
    # Besides the traffic: requests on their way, and those that waited for the start.
    assert seen <= sent + MOST_OTHERS, f"{seen} executions are stored, {sent} requests were answered"
    slowest = max(records.merged(found), key=lambda one: records.quantile_ms(one, 0.95))
    return (
        f"the slowest is {slowest.name}: p95 {records.quantile_ms(slowest, 0.95):.0f} ms of {slowest.count}"
    )


STEPS: tuple[Step[DatasetteStage], ...] = (
    Step(name="the operations appear", kind="LIVE", deadline_s=180, holds=operations_appear),
    Step(name="metrics land in Cloud Monitoring", kind="METRICS", deadline_s=180, holds=metrics_land),
    Step(name="enough is seen", kind="WATCHED", deadline_s=180, holds=enough_is_seen),
)


def tell(stage: DatasetteStage) -> None:
    """Everything that must be seen, after ``set_up``.

    Raises:
        StepFailedError: a step did not happen; it says which.
    """
    for step in STEPS:
        stage.play(step)
    assert stage.traffic is not None
    if stage.traffic.failed:
        raise StepFailedError(f"{stage.traffic.failed} requests of {stage.traffic.answered} failed")
