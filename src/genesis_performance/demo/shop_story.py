"""The story of the shop: a release makes the checkout slower; it is found, explained, repaired and closed.

Each step is asserted from what the emulator and the history store hold, never from what was printed. Alert
policies use 60 s alignment, and no clock is bent: an incident closes when the slow minute has passed.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from ..model.advice import OptimizationRecommendation, RecommendationState
from ..model.alert import PerformanceIncident
from ..model.change import RegressionResult, Verdict
from ..monitor import PerformanceMonitor
from ..optimizer import PerformanceOptimizer
from ..regression import RegressionDetector
from ..storage import Kind, from_body
from . import cloud, records
from .screen import Screen
from .shop import database
from .shop.releases import RELEASES, shown_path
from .stage import Stage, Step, StepFailedError
from .traffic import Traffic

SERVICE, ENVIRONMENT = "shop", "demo"
CHECKOUT = "POST /checkout/{cart_id}"
OPERATIONS = frozenset({"GET /products", "GET /products/{product_id}", CHECKOUT})
THRESHOLD_MS = 80.0
NETWORK_MS = 15.0
"""Planted in the emulator: it answers from the same machine, the real Secret Manager over a network."""

RATE_PER_S = 30.0
BASELINE_S = 22.0
BASELINE_INTERVALS = 6
COMPARED_INTERVALS = 4
RULE = "optimizer/identical-reads"
RULE_WINDOW_S = 31.0
"""The rule wants 30 s before it speaks of money a month."""

BANNER = "demo: simulated shop traffic on a local Google Cloud emulator"


class ShopStage(Stage):
    """The shop, its traffic, and our parts that watch it."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen, SERVICE)
        self.release = ""
        self.deployed_at = 0.0
        self.regression: RegressionResult | None = None
        self.recommendation: OptimizationRecommendation | None = None
        self.incident_id = ""

    def set_up(self) -> None:
        super().set_up()
        self.during("the secret is made", lambda: cloud.create_secret("tax-key", "vat-standard:19"))
        cloud.plant_latency(self.emulator.http, cloud.ACCESS, NETWORK_MS)
        self.screen.say(
            "SETUP",
            f"simulated network: each Secret Manager access takes {NETWORK_MS:.0f} ms longer than here",
        )
        products = database.create(self.folder / "shop.db")
        self.monitor = PerformanceMonitor(
            project_id=cloud.PROJECT, service_name="genesis-demo", environment=ENVIRONMENT, store=self.store
        )
        self.at_end(self.monitor.close)
        self.detector = RegressionDetector(store=self.store)
        self.optimizer = PerformanceOptimizer(
            project_id=cloud.PROJECT,
            store=self.store,
            operations=lambda: records.merged(records.intervals(self.store, SERVICE, release=self.release)),
            repeated_calls=lambda: records.repeated_calls(self.store, SERVICE, self.release),
        )
        self.deploy("v1", f"SQLite with {products} products")
        self.traffic = Traffic(self.process.port, request, rate_per_s=RATE_PER_S)
        self.at_end(self.traffic.stop)

    def deploy(self, release: str, note: str) -> None:
        """Start a release on another port, send the traffic there, and let the old one finish."""
        old = getattr(self, "process", None)
        arguments = ["-m", "genesis_performance.demo.shop", "--release", release]
        arguments += ["--database", str(self.folder / "shop.db"), "--port"]
        self.process = self.start_web(f"shop-{release}", lambda port: [*arguments, str(port)], "/products")
        self.release, self.deployed_at = release, time.monotonic()
        if self.traffic is not None:
            self.traffic.switch(self.process.port)
            self.pause(0.5, f"the traffic moves to {release}")
        if old is not None:
            self.during(f"{old.name} finishes its requests and flushes", old.stop)
        self.screen.say(
            "DEPLOY",
            f"shop {release} as process {self.process.pid}, FastAPI on port {self.process.port}: {note}",
        )

    def since_deploy_s(self) -> float:
        return time.monotonic() - self.deployed_at

    def incident(self) -> PerformanceIncident | None:
        """The incident of this story as the store has it."""
        for record in self.store.list(Kind.INCIDENT):
            found = from_body(PerformanceIncident, record.body)
            if found.operation == CHECKOUT and self.incident_id in {"", found.id}:
                return found
        return None


def request(dice: random.Random) -> tuple[str, str]:
    """One request of a customer: two look, one buys."""
    kind = dice.random()
    if kind < 0.35:
        return "GET", "/products"
    if kind < 0.7:
        return "GET", f"/products/{dice.randint(1, 80)}"
    return "POST", f"/checkout/{dice.randint(1, database.CARTS)}"


def operations_appear(stage: ShopStage) -> str | None:
    names = {one.snapshot.name for one in records.intervals(stage.store, SERVICE)}
    if not names >= OPERATIONS:
        return None
    assert not any(part.isdigit() for name in names for part in name.split("/")), f"raw paths in {names}"
    return f"{len(OPERATIONS)} operations are recorded, each under its route template"


def metrics_land(stage: ShopStage) -> str | None:
    counts = cloud.recorded_executions(SERVICE)
    if not set(counts) >= OPERATIONS:
        return None
    total = sum(counts.values())
    return f"Cloud Monitoring holds {total} executions of {len(counts)} operations (ListTimeSeries)"


def alert_is_made(stage: ShopStage) -> str:
    alert = stage.during(
        "the alert policy is made",
        lambda: stage.monitor.create_response_time_alert(
            SERVICE, threshold_ms=THRESHOLD_MS, environment=ENVIRONMENT, apply="api"
        ),
    )
    held = [policy for policy in cloud.policies() if policy.name == alert.resource_name]
    assert len(held) == 1, "Cloud Monitoring does not hold the policy"
    condition = held[0].conditions[0].condition_threshold
    period_s = condition.aggregations[0].alignment_period.total_seconds()
    assert period_s == 60, f"the policy's alignment is {period_s} s"
    assert condition.threshold_value == THRESHOLD_MS, f"its threshold is {condition.threshold_value}"
    return f"policy '{alert.display_name}': p95 above {THRESHOLD_MS:.0f} ms in 60 s opens an incident"


def baseline_is_long_enough(stage: ShopStage) -> str | None:
    seen = records.operation_intervals(stage.store, SERVICE, CHECKOUT, "v1")
    if len(seen) < BASELINE_INTERVALS or stage.since_deploy_s() < BASELINE_S:
        return None
    assert not cloud.incidents(CHECKOUT), "there was an incident before there was a fault"
    p95 = _p95(stage, "v1")
    return f"v1 as it should be: {CHECKOUT} p95 {p95:.0f} ms in {len(seen)} intervals"


def regression_is_found(stage: ShopStage) -> str | None:
    before = records.operation_intervals(stage.store, SERVICE, CHECKOUT, "v1")
    after = records.operation_intervals(stage.store, SERVICE, CHECKOUT, "v2")
    if len(after) < COMPARED_INTERVALS:
        return None
    result = stage.detector.compare_snapshots(before, after)
    if not result.has_regression:
        return None
    stage.regression = result
    return (
        f"{CHECKOUT} p95 {result.baseline_p95_ms:.0f} -> {result.current_p95_ms:.0f} ms, median "
        f"{result.baseline_median_ms:.1f} -> {result.current_median_ms:.1f} ms; "
        f"{_sure(result.confidence_score)} sure, n={result.current_count}"
    )


def incident_opens(stage: ShopStage) -> str | None:
    held = [alert for alert in cloud.incidents(CHECKOUT) if alert["state"] == "OPEN"]
    if not held:
        return None
    stage.monitor.sync_incidents()
    stage.incident_id = held[0]["name"]
    kept = stage.incident()
    assert kept is not None, f"the store does not have incident {stage.incident_id}"
    assert kept.is_open, f"incident {kept.id} is {kept.state} in the store"
    return f"Cloud Monitoring opened incident {kept.id.rpartition('/')[2]} on {CHECKOUT}"


def cause_is_named(stage: ShopStage) -> str | None:
    if stage.since_deploy_s() < RULE_WINDOW_S:
        return None
    found = _advice(stage)
    if found is None:
        return None
    file, line = shown_path(RELEASES["v2"]), planted_line()
    (finding,) = found.findings
    assert (finding.file, finding.line) == (file, line), (
        f"the cause is named at {finding.file}:{finding.line}, the fault is at {file}:{line}"
    )
    assert found.saving is not None, "no saving"
    assert found.saving.expected.amount > 0, "the saving is nothing"
    assert found.latency_gain_ms is not None, "no gain"
    stage.recommendation = stage.optimizer.mark_recommendation(found.id, RecommendationState.CLAIMED)
    low, expected, high = found.latency_gain_ms
    money = found.saving.expected
    return (
        f"{finding.title}, at {finding.file}:{finding.line}. Reading once saves {expected:.0f} ms a checkout "
        f"({low:.0f} to {high:.0f}) and {money.amount:.2f} {money.currency} a month at this traffic"
    )


def fix_is_confirmed(stage: ShopStage) -> str | None:
    before = records.operation_intervals(stage.store, SERVICE, CHECKOUT, "v2")
    after = records.operation_intervals(stage.store, SERVICE, CHECKOUT, "v3")
    if len(after) < COMPARED_INTERVALS:
        return None
    result = stage.detector.compare_snapshots(before, after)
    if result.verdict is not Verdict.PASS or result.change_high >= 0:
        return None
    assert _advice(stage) is None, "the repaired release still reads once a line"
    assert stage.recommendation is not None, "there is no recommendation"
    known = {one.id: one.state for one in stage.optimizer.recommendations()}
    state = known[stage.recommendation.id]
    assert state is RecommendationState.SUCCEEDED, f"the recommendation is {state}"
    return (
        f"{CHECKOUT} p95 {result.baseline_p95_ms:.0f} -> {result.current_p95_ms:.0f} ms; the reads no longer "
        "repeat, the recommendation is SUCCEEDED"
    )


def incident_closes(stage: ShopStage) -> str | None:
    held = {alert["name"]: alert for alert in cloud.incidents(CHECKOUT)}
    assert stage.incident_id in held, "the incident is gone"
    if held[stage.incident_id]["state"] != "CLOSED":
        return None
    stage.monitor.sync_incidents()
    kept = stage.incident()
    assert kept is not None, "the store lost the incident"
    assert not kept.is_open, "the store has the incident still open"
    assert kept.closed_unix_ns is not None, "it has no end"
    lasted_s = (kept.closed_unix_ns - kept.opened_unix_ns) / 1e9
    return f"Cloud Monitoring closed incident {kept.id.rpartition('/')[2]} after {lasted_s:.0f} s"


APPEAR: Step[ShopStage] = Step(
    name="the operations appear", kind="LIVE", deadline_s=180, holds=operations_appear
)
LAND: Step[ShopStage] = Step(
    name="metrics land in Cloud Monitoring", kind="METRICS", deadline_s=180, holds=metrics_land
)
ALERT: Step[ShopStage] = Step(
    name="the alert policy is made", kind="ALERT", deadline_s=180, holds=alert_is_made
)
BASELINE: Step[ShopStage] = Step(
    name="v1 has run long enough to compare",
    kind="BASELINE",
    deadline_s=180,
    holds=baseline_is_long_enough,
)
BROKEN: tuple[Step[ShopStage], ...] = (
    Step(name="the regression is found", kind="REGRESSION", deadline_s=180, holds=regression_is_found),
    Step(name="the incident opens", kind="INCIDENT", deadline_s=180, holds=incident_opens),
    Step(name="the optimizer names the cause", kind="CAUSE", deadline_s=180, holds=cause_is_named),
)
REPAIRED: tuple[Step[ShopStage], ...] = (
    Step(name="the fix is confirmed", kind="CONFIRMED", deadline_s=180, holds=fix_is_confirmed),
    Step(
        name="the incident closes, a minute after the fix",
        kind="CLOSED",
        deadline_s=180,
        holds=incident_closes,
    ),
)


def tell(stage: ShopStage) -> None:
    """The whole story, after ``set_up``.

    Raises:
        StepFailedError: a step did not happen; it says which.
    """
    for step in (APPEAR, LAND, ALERT, BASELINE):
        stage.play(step)
    stage.deploy("v2", 'reduced rate for food, "the tax key must always be fresh"')
    for step in BROKEN:
        stage.play(step)
    stage.screen.say("FIX", "the recommendation is applied: the tax key is read once, through the cache")
    stage.deploy("v3", "the fix")
    for step in REPAIRED:
        stage.play(step)
    assert stage.traffic is not None
    if stage.traffic.failed:
        raise StepFailedError(f"{stage.traffic.failed} requests failed; deployments must not lose any")


def planted_line() -> int:
    """Where v2 reads the secret: the line that the optimizer must name."""
    source = (Path(__file__).parent / "shop" / RELEASES["v2"]).read_text(encoding="utf-8")
    (line,) = (n for n, text in enumerate(source.splitlines(), 1) if ".get_secret_sync(" in text)
    return line


def _sure(confidence: float) -> str:
    """In percent; a probability is never said to be 1."""
    return "more than 99.9%" if confidence > 0.999 else f"{confidence:.1%}"


def _advice(stage: ShopStage) -> OptimizationRecommendation | None:
    """What the optimizer says of repeated reads in the release that runs."""
    analysis = stage.optimizer.analyze_service_performance_sync(SERVICE, "cloud_run", {}, rules=[RULE])
    assert RULE in analysis.examined, f"{RULE} was not examined: {analysis.skipped}"
    return next((one for one in analysis if one.resource == CHECKOUT), None)


def _p95(stage: ShopStage, release: str) -> float:
    found = records.intervals(stage.store, SERVICE, release=release)
    (total,) = records.merged(one for one in found if one.snapshot.name == CHECKOUT)
    return records.quantile_ms(total, 0.95)
