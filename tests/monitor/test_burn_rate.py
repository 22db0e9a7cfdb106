import json
import math
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis_performance.errors import InvalidInputError
from genesis_performance.export.catalog import OPERATION_COUNT
from genesis_performance.model.alert import ApplyMode, PerformanceAlert
from genesis_performance.model.series import Point, Series
from genesis_performance.monitor.burn_rate import BURNS, Burn, ErrorBudget, burn_rate_alerts
from genesis_performance.monitor.conditions import Readings
from genesis_performance.monitor.naming import prometheus_name
from genesis_performance.monitor.policy import policy

SECOND = 1_000_000_000
START_NS = 1_790_000_000 * SECOND


def alerts(percent: float = 99.9, slo: str | None = None, **changes: object) -> list[PerformanceAlert]:
    arguments = {"duration_s": 0, "channels": (), "ticket_channels": None, "apply": ApplyMode.LOCAL} | changes
    return burn_rate_alerts("api", percent, "production", slo=slo, **arguments)  # type: ignore[arg-type]


def counts(at_ns: int, good: int, failed: int, service: str = "api") -> list[Series]:
    labels = (("environment", "production"), ("operation", "pay"), ("service", service))
    return [
        Series(
            metric=OPERATION_COUNT,
            labels=(*labels, ("status", status)),
            points=(Point(end_unix_ns=at_ns, value=count, start_unix_ns=START_NS),),
        )
        for status, count in (("ok", good), ("error", failed))
    ]


def test_the_windows_and_rates_are_those_of_the_sre_workbook() -> None:
    table = [(burn.rate, burn.long_s // 3600, burn.short_s // 60, burn.severity) for burn in BURNS]
    assert table == [(14.4, 1, 5, "CRITICAL"), (6.0, 6, 30, "CRITICAL"), (1.0, 72, 360, "WARNING")]


@pytest.mark.parametrize(("burn", "share"), [(BURNS[0], 0.02), (BURNS[1], 0.05), (BURNS[2], 0.1)])
def test_a_full_long_window_uses_up_the_share_of_the_budget_that_is_said(burn: Burn, share: float) -> None:
    assert burn.rate * burn.long_s / (30 * 86_400) == pytest.approx(share)


def test_both_windows_must_burn() -> None:
    fast = policy(alerts()[0], "p")
    assert fast["combiner"] == "AND"
    long, short = (one["condition_threshold"] for one in fast["conditions"])
    assert long["aggregations"][0]["alignment_period"] == {"seconds": 3600}
    assert short["aggregations"][0]["alignment_period"] == {"seconds": 300}
    assert long["aggregations"][0]["group_by_fields"] == []
    assert long["threshold_value"] == short["threshold_value"] == pytest.approx(14.4 * 0.001)
    assert long["denominator_filter"] in long["filter"]


def test_three_days_are_asked_for_in_promql() -> None:
    """A filter looks back 25 hours at most."""
    (condition,) = policy(alerts()[2], "genesis.performance")["conditions"]
    query = condition["condition_prometheus_query_language"]["query"]
    assert query.count("[259200s]") == query.count("[21600s]") == 2
    assert "custom_googleapis_com:genesis_performance_operation_count{" in query
    assert query.count("> 0.001)") == 2


def test_an_objective_in_the_cloud_is_asked_for_its_burn_rate() -> None:
    name = "projects/p/services/s/serviceLevelObjectives/o"
    (long, short) = policy(alerts(slo=name)[0], "p")["conditions"]
    assert long["condition_threshold"]["filter"] == f'select_slo_burn_rate("{name}", "3600s")'
    assert short["condition_threshold"]["filter"] == f'select_slo_burn_rate("{name}", "300s")'
    assert long["condition_threshold"]["threshold_value"] == 14.4
    assert "denominator_filter" not in long["condition_threshold"]


def test_names_in_promql_have_a_colon_after_the_domain() -> None:
    assert prometheus_name("custom.googleapis.com/a-b.c/d/e") == "custom_googleapis_com:a_b_c_d_e"


@pytest.mark.parametrize("percent", [0, 50, 93.9, 99.999, 100, True, "99.9", float("nan")])
def test_an_objective_that_the_rates_do_not_fit_is_refused(percent: float) -> None:
    with pytest.raises(InvalidInputError, match="objective_percent is"):
        alerts(percent)


@pytest.mark.parametrize("slo", ["o", 'projects/p/services/"s/serviceLevelObjectives/o', 5])
def test_an_objective_that_is_no_resource_name_is_refused(slo: str) -> None:
    with pytest.raises(InvalidInputError, match="slo is"):
        alerts(slo=slo)


def test_pages_and_tickets_may_go_different_ways() -> None:
    page, ticket = "projects/p/notificationChannels/1", "projects/p/notificationChannels/2"
    found = alerts(channels=[page], ticket_channels=[ticket])
    assert [one.notification_channels for one in found] == [(page,), (page,), (ticket,)]


def test_the_burn_rate_is_the_slower_one_of_the_windows() -> None:
    """An hour of errors that ended ten minutes ago no longer burns."""
    fast, readings = alerts(99.0)[0], Readings()
    good = failed = 0
    for minute in range(71):
        good, failed = good + 10, failed + (10 if minute <= 60 else 0)
        at_ns = START_NS + minute * 60 * SECOND
        readings.observe(at_ns, counts(at_ns, good, failed), [fast], 20)
        if minute == 60:
            assert readings.values(fast) == {"": pytest.approx(50.0)}
    assert readings.values(fast) == {"": 0.0}


def test_the_executions_of_other_services_do_not_count() -> None:
    fast, readings = alerts()[0], Readings()
    at_ns = START_NS + 60 * SECOND
    readings.observe(at_ns, [*counts(at_ns, 10, 0), *counts(at_ns, 0, 99, "other")], [fast], 20)
    assert readings.values(fast) == {"": 0.0}


def test_without_executions_there_is_no_burn_rate() -> None:
    fast, readings = alerts()[0], Readings()
    readings.observe(START_NS, [], [fast], 20)
    assert readings.values(fast) == {}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([10, 17, 60]))
def test_each_window_holds_what_happened_in_it_to_the_resolution_of_its_age(seed: int, every_s: int) -> None:
    chance, budget = random.Random(seed), ErrorBudget("api", "production")
    happened: list[tuple[int, int, int]] = []
    good = failed = 0
    for number in range(8 * 3600 // every_s):
        good, failed = good + chance.randint(0, 9), failed + chance.choice([0, 0, 0, 5])
        at_ns = START_NS + number * every_s * SECOND
        budget.add(at_ns, counts(at_ns, good, failed))
        happened.append((at_ns, good + failed, failed))
    now_ns = happened[-1][0]
    for window_s, resolution_s in ((300, every_s), (1800, every_s), (6 * 3600, 60 + every_s)):
        # The window begins at a moment that was kept: at most so much earlier than asked for.
        begins_ns = now_ns - window_s * SECOND
        possible = {
            (happened[-1][2] - errors) / (happened[-1][1] - total)
            for at_ns, total, errors in happened
            if begins_ns - resolution_s * SECOND <= at_ns <= begins_ns
        }
        assert budget.ratio(window_s) in possible


def test_three_days_of_counts_take_little_memory() -> None:
    budget = ErrorBudget("api", "production")
    for number in range(0, 80 * 3600, 30):
        budget.add(START_NS + number * SECOND, counts(START_NS + number * SECOND, number, number // 100))
    assert len(budget._kept) < 1700
    assert budget.ratio(72 * 3600) == pytest.approx(0.01, rel=0.05)
    assert all(a.at_ns < b.at_ns for a, b in pairwise(budget._kept))


def test_a_clock_that_is_set_back_does_not_make_negative_counts() -> None:
    budget = ErrorBudget("api", "production")
    for at_s, good, failed in ((0, 10, 0), (60, 20, 0), (10, 30, 5), (20, 40, 5)):
        budget.add(START_NS + at_s * SECOND, counts(START_NS + at_s * SECOND, good, failed))
    ratio = budget.ratio(300)
    assert ratio is not None
    assert 0 <= ratio <= 1


def test_a_clock_that_jumps_leaves_the_burn_rate_as_it_was() -> None:
    fast, readings = alerts(99.0)[0], Readings()
    for minute in range(70):
        at_ns = START_NS + minute * 60 * SECOND
        readings.observe(at_ns, counts(at_ns, 10 * minute, min(30, minute)), [fast], 20)
    before = readings.values(fast)
    readings.shift(7200 * SECOND)
    readings.observe(at_ns + 7200 * SECOND, counts(at_ns, 690, 30), [fast], 20)
    assert readings.values(fast) == before == {"": 0.0}
    readings.shift(-7200 * SECOND)
    readings.observe(at_ns, counts(at_ns, 690, 90), [fast], 20)
    assert readings.values(fast)[""] == pytest.approx(100 * 81 / (81 + 600))  # since minute 9


class Kept:
    """The store as the readings of one process after the other see it."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], list[list[float]]] = {}

    def process(self, *, shares: bool = False) -> Readings:
        return Readings(
            load_budget=lambda *place: json.loads(json.dumps(self.counts.get(place, []))),
            save_budget=lambda service, environment, counts: self.counts.update(
                {(service, environment): counts}
            ),
            shares=shares,
        )


def watched(
    readings: Readings,
    burns: list[PerformanceAlert],
    minutes: range,
    good: int,
    failed: int,
    begin: tuple[int, int] = (0, 0),
) -> dict[str, float]:
    """Every minute as many executions as said; the rates at the end, by variant."""
    for number, minute in enumerate(minutes):
        at_ns = START_NS + minute * 60 * SECOND
        series = counts(at_ns, begin[0] + number * good, begin[1] + number * failed)
        readings.observe(at_ns, series, burns, 20)
    return {one.name: readings.values(one).get("", math.nan) for one in burns}


def test_a_restart_does_not_forget_a_burn() -> None:
    burns, kept = alerts(99.0), Kept()
    before = watched(kept.process(), burns, range(50), good=80, failed=20)
    after = watched(kept.process(), burns, range(50, 53), good=80, failed=20)
    assert after == pytest.approx(before, rel=0.05)
    assert all(rate == pytest.approx(20, rel=0.05) for rate in after.values())


def test_a_restart_opens_no_false_burn() -> None:
    """One failure of the first ten executions is a burn of 100 for who remembers nothing."""
    burns, kept = alerts(99.9), Kept()
    watched(kept.process(), burns, range(10 * 60), good=100, failed=0)
    after = watched(kept.process(), burns, range(10 * 60 + 1, 10 * 60 + 3), good=9, failed=1)
    assert watched(Kept().process(), burns, range(2), good=9, failed=1) == pytest.approx(
        dict.fromkeys(after, 100)
    )
    assert all(rate < 3 for rate in after.values())


def test_a_gap_between_two_processes_is_a_gap_in_the_window() -> None:
    burns, kept = alerts(99.0), Kept()
    watched(kept.process(), burns, range(60), good=0, failed=10)
    fast = watched(kept.process(), burns, range(180, 240), good=10, failed=0)
    assert [fast[one.name] for one in burns] == [0.0, 0.0, pytest.approx(50, rel=0.05)]


def test_who_takes_over_goes_on_where_the_other_ended() -> None:
    """A worker that did not look counts from long ago: without the other's counts an old burn comes back."""
    burns, kept = alerts(99.0), Kept()
    worker = kept.process(shares=True)
    watched(worker, burns, range(1), good=0, failed=0)
    watched(kept.process(shares=True), burns, range(1, 60), good=0, failed=10)
    watched(kept.process(shares=True), burns, range(60, 600), good=10, failed=0)
    late = watched(worker, burns, range(601, 603), good=10, failed=0, begin=(5400, 590))
    assert [late[one.name] for one in burns[:2]] == [0.0, 0.0]


def test_who_takes_over_from_a_young_process_knows_what_happened_before_its_own_time() -> None:
    """It saw 50 of 200 fail, of all there were 50 of 700."""
    burns, kept = alerts(99.0), Kept()
    first, second = (kept.process(shares=True) for _ in range(2))

    def observe(readings: Readings, after_s: int, good: int, failed: int) -> None:
        at_ns = START_NS + after_s * SECOND
        readings.observe(at_ns, counts(at_ns, good, failed), burns, 20)

    for number in range(5):
        observe(first, 10 * number, 100 * (number + 1), 0)
    observe(second, 41, 0, 0)
    observe(second, 60, 150, 50)
    assert second.values(burns[0]) == {"": pytest.approx(100 * 50 / 700)}


def test_an_old_budget_is_not_saved_at_each_look() -> None:
    saved: list[int] = []
    readings = Readings(save_budget=lambda _service, _environment, known: saved.append(len(known)))
    fast = alerts(99.0)[0]
    for number in range(360):
        at_ns = START_NS + number * 10 * SECOND
        readings.observe(at_ns, counts(at_ns, number, 0), [fast], 20)
    assert 60 <= len(saved) < 90


def test_a_process_alone_trusts_its_own_counts_however_seldom_it_looks() -> None:
    burns, kept = alerts(99.0), Kept()
    readings = kept.process()
    for minute in (0, 30, 60):
        at_ns = START_NS + minute * 60 * SECOND
        readings.observe(at_ns, counts(at_ns, 9 * minute, minute), burns, 20)
    assert readings.values(burns[0]) == {"": pytest.approx(10)}


def test_what_a_faster_clock_saved_is_left_out() -> None:
    burns, kept = alerts(99.0), Kept()
    watched(kept.process(), burns, range(100, 110), good=0, failed=10)
    after = watched(kept.process(), burns, range(10), good=10, failed=0)
    assert set(after.values()) == {0.0}


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 8 * 60), max_size=3))
def test_a_restart_changes_a_rate_by_no_more_than_the_resolution_of_what_is_saved(
    seed: int, restarts: list[int]
) -> None:
    chance, kept, burns = random.Random(seed), Kept(), alerts(99.0)[:2]
    through, readings = Readings(), kept.process()
    good = failed = 0
    begun = (0, 0)
    rates = []
    for minute in range(8 * 60):
        at_ns = START_NS + minute * 60 * SECOND
        good, failed = good + chance.randint(50, 90), failed + chance.choice([0, 0, 5])
        if minute in restarts:
            readings, begun = kept.process(), (good, failed)
        through.observe(at_ns, counts(at_ns, good, failed), burns, 20)
        readings.observe(at_ns, counts(at_ns, good - begun[0], failed - begun[1]), burns, 20)
        rates = [(through.values(one)[""], readings.values(one)[""]) for one in burns]
    # Of 300 minutes five may be missing at each end, and one at each restart.
    assert rates[1][1] == pytest.approx(rates[1][0], abs=100 * 5 / 50 * 0.2)


def test_what_is_saved_is_small_and_holds_three_days() -> None:
    budget = ErrorBudget("api", "production")
    for number in range(0, 80 * 3600, 60):
        budget.add(START_NS + number * SECOND, counts(START_NS + number * SECOND, number, number // 100))
    saved = budget.saved()
    assert len(saved) < 450
    assert saved == sorted(saved)
    again = ErrorBudget("api", "production")
    again.resume(saved, START_NS + 80 * 3600 * SECOND)
    assert again.ratio(72 * 3600) == pytest.approx(budget.ratio(72 * 3600), rel=0.01)
