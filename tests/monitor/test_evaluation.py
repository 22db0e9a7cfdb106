import pytest

from genesis_performance.model.alert import ApplyMode, IncidentState, PerformanceAlert, PerformanceIncident
from genesis_performance.monitor.alerts import absence_alert, response_time_alert, throughput_alert
from genesis_performance.monitor.evaluation import Evaluation

SECOND = 1_000_000_000


def alert(duration_s: int = 0) -> PerformanceAlert:
    return response_time_alert(
        "api", 500, "production", quantile=0.95, duration_s=duration_s, channels=(), apply=ApplyMode.LOCAL
    )


def steps(
    subject: Evaluation, *values: float | None, every_s: int = 10, duration_s: int = 0, start_s: int = 0
) -> list[list[PerformanceIncident]]:
    return [
        subject.step(
            alert(duration_s), {} if value is None else {"pay": value}, (start_s + n * every_s) * SECOND
        )
        for n, value in enumerate(values)
    ]


def test_a_value_above_the_threshold_opens_one_incident_however_often_it_is_seen() -> None:
    subject = Evaluation()
    changes = steps(subject, 400, 600, 600, 600)
    assert [len(change) for change in changes] == [0, 1, 0, 0]
    (incident,) = subject.open.values()
    assert incident.state is IncidentState.OPEN
    assert incident.alert_name == "api-response-time-production"
    assert incident.operation == "pay"
    assert incident.current_value == 600
    assert incident.timeline[0][1] == "opened: p95 600 ms > 500 ms"


def test_the_threshold_itself_is_no_violation() -> None:
    subject = Evaluation()
    steps(subject, 500)
    assert not subject.open


def test_the_worst_value_stays_and_the_current_one_follows() -> None:
    subject = Evaluation()
    steps(subject, 600, 900, 700)
    (incident,) = subject.open.values()
    assert (incident.current_value, incident.worst_value) == (700, 900)


def test_a_duration_must_be_over_before_it_opens() -> None:
    subject = Evaluation()
    changes = steps(subject, *[600] * 8, duration_s=60)
    assert [len(change) for change in changes] == [0, 0, 0, 0, 0, 0, 1, 0]


def test_a_dip_starts_the_duration_anew() -> None:
    subject = Evaluation()
    steps(subject, 600, 600, 600, 600, 400, 600, 600, 600, duration_s=60)
    assert not subject.open


def test_it_closes_at_once_when_the_value_is_clearly_fine() -> None:
    subject = Evaluation()
    (closed,) = steps(subject, 600, 300)[1]
    assert closed.state is IncidentState.CLOSED
    assert closed.closed_unix_ns == 10 * SECOND
    assert closed.timeline[-1][1] == "closed: p95 300 ms <= 500 ms"
    assert not subject.open


def test_it_closes_after_a_window_just_below_the_threshold() -> None:
    subject = Evaluation()
    changes = steps(subject, 600, *[490] * 7)
    assert [any(not one.is_open for one in change) for change in changes] == [False] * 7 + [True]


def test_values_around_the_threshold_do_not_flap() -> None:
    subject = Evaluation()
    changes = steps(subject, *[510, 495] * 50)
    opened = [one for change in changes for one in change if len(one.timeline) == 1 and one.is_open]
    assert len({one.id for one in opened}) == 1
    assert len(subject.open) == 1


def test_missing_data_keeps_the_state() -> None:
    subject = Evaluation()
    assert steps(subject, 600, *[None] * 10)[1:] == [[]] * 10
    assert len(subject.open) == 1


def test_it_closes_after_half_an_hour_without_data() -> None:
    subject = Evaluation()
    steps(subject, 600)
    (closed,) = subject.step(alert(), {}, 1800 * SECOND)
    assert closed.timeline[-1][1] == "closed: no data for 30 minutes"


def test_operations_have_incidents_of_their_own() -> None:
    subject = Evaluation()
    subject.step(alert(), {"pay": 600, "ship": 700, "list": 5}, 0)
    assert {one.operation for one in subject.open.values()} == {"pay", "ship"}
    assert len({one.id for one in subject.open.values()}) == 2


def test_an_incident_of_an_earlier_process_goes_on() -> None:
    first, second = Evaluation(), Evaluation()
    steps(first, 600)
    second.adopt(first.open.values())
    assert steps(second, 600, start_s=10) == [[]]
    (closed,) = steps(second, 100, start_s=20)[0]
    assert closed.opened_unix_ns == 0


def test_a_deleted_alert_closes_its_incidents() -> None:
    subject = Evaluation()
    steps(subject, 600)
    (closed,) = subject.drop(alert().name, 20 * SECOND)
    assert "deleted" in closed.timeline[-1][1]
    assert not subject.open
    assert not subject._states


@pytest.mark.parametrize("rounds", [500])
def test_a_long_incident_keeps_a_bounded_timeline(rounds: int) -> None:
    subject = Evaluation()
    steps(subject, *[600.0 + n for n in range(rounds)])
    (incident,) = subject.open.values()
    assert len(incident.timeline) <= 50


def low_throughput(duration_s: int = 0) -> PerformanceAlert:
    return throughput_alert(
        "api",
        30,
        None,
        "production",
        by_operation=False,
        duration_s=duration_s,
        channels=(),
        apply=ApplyMode.LOCAL,
    )


def looked_at(
    subject: Evaluation, alert: PerformanceAlert, *values: float | None, every_s: int = 10
) -> list[list[PerformanceIncident]]:
    return [
        subject.step(alert, {} if value is None else {"": value}, n * every_s * SECOND)
        for n, value in enumerate(values)
    ]


def test_below_a_lower_limit_opens_and_the_worst_value_is_the_lowest() -> None:
    subject = Evaluation()
    looked_at(subject, low_throughput(), 40, 20, 10, 25)
    (incident,) = subject.open.values()
    assert (incident.current_value, incident.worst_value) == (25, 10)
    assert incident.timeline[0][1] == "opened: throughput 20 /min < 30 /min"
    assert incident.summary == "api (production): throughput 20 /min < 30 /min"


def test_above_a_lower_limit_closes_when_it_is_clear_and_not_before() -> None:
    subject = Evaluation()
    looked_at(subject, low_throughput(), 20, 31, 32)
    assert len(subject.open) == 1
    (closed,) = subject.step(low_throughput(), {"": 40}, 30 * SECOND)
    assert closed.timeline[-1][1] == "closed: throughput 40 /min >= 30 /min"


def test_a_gap_does_not_count_as_a_violation() -> None:
    """It was beyond the threshold before and is after; what was in between nobody knows."""
    subject = Evaluation()
    looked_at(subject, low_throughput(60), 20, *[None] * 20, 20)
    assert not subject.open


def test_a_gap_does_not_interrupt_a_violation_that_began_before_and_lasts_long_enough() -> None:
    subject = Evaluation()
    looked_at(subject, low_throughput(60), *[20] * 3, None, *[20] * 5)
    assert len(subject.open) == 1


def test_a_silence_opens_after_its_duration_and_closes_with_the_next_point() -> None:
    subject = Evaluation()
    alert = absence_alert("api", "production", duration_s=120, channels=(), apply=ApplyMode.LOCAL)
    changes = looked_at(subject, alert, 0, 60, 119, 120, 130, 0)
    assert [len(change) for change in changes] == [0, 0, 0, 1, 1, 1]
    opened, closed = changes[3][0], changes[5][0]
    assert opened.timeline[-1][1] == "opened: nothing sent for 120 s, which is at least 2 min"
    assert closed.timeline[-1][1] == "closed: nothing sent for 0 s, which is less than 2 min"


def test_a_clock_that_is_set_back_opens_nothing_early() -> None:
    subject = Evaluation()
    alert = low_throughput(60)
    for at_s in (0, 50, 20, 55):
        subject.step(alert, {"": 20}, at_s * SECOND)
    assert not subject.open
    subject.step(alert, {"": 20}, 60 * SECOND)
    assert len(subject.open) == 1
