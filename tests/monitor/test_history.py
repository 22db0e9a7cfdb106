import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.export.catalog import MEMORY_BYTES, OPERATION_COUNT, OPERATION_DURATION
from genesis_performance.model.series import Distribution, Metric, Point, Series
from genesis_performance.monitor.history import History, merged, quantile

SECOND = 1_000_000_000
NAMES = {"operation/count", "operation/duration"}
LABELS = (("operation", "pay"),)


def series(
    value: float | Distribution, *, start_s: int = 0, metric: Metric = OPERATION_COUNT
) -> list[Series]:
    point = Point(end_unix_ns=0, value=value, start_unix_ns=start_s * SECOND)
    return [Series(metric=metric, labels=LABELS, points=(point,))]


def history(*moments: tuple[int, list[Series]]) -> History:
    made = History()
    for at_s, values in moments:
        made.add(at_s * SECOND, values, NAMES, keep_s=80)
    return made


def increases(subject: History, name: str = "operation/count") -> list[object]:
    return [value for _, value in subject.increases(name, 60)]


def test_a_window_is_what_was_added_since_its_beginning() -> None:
    subject = history((0, series(10)), (30, series(15)), (60, series(40)))
    assert increases(subject) == [30]


def test_the_first_look_is_everything_since_the_start() -> None:
    assert increases(history((1000, series(10)))) == [10]


def test_begun_anew_nothing_is_known_until_a_whole_window_is() -> None:
    subject = history((0, series(100)))
    subject.begin_anew()
    seen = []
    for at_s in (3600, 3630, 3660):
        subject.add(at_s * SECOND, series(at_s), NAMES, keep_s=80)
        seen.append(increases(subject))
    assert seen == [[], [], [60]]


def test_a_series_that_is_new_grew_from_zero() -> None:
    assert increases(history((0, []), (60, series(7)))) == [7]


def test_a_series_that_started_anew_grew_from_zero() -> None:
    subject = history((0, series(100)), (60, series(7, start_s=30)))
    assert increases(subject) == [7]


def test_old_moments_are_forgotten_but_for_the_one_before_the_window() -> None:
    subject = history(*((at_s, series(at_s)) for at_s in range(0, 1000, 10)))
    assert len(subject._moments) == 9
    assert increases(subject) == [60]


def test_a_clock_that_is_set_back_does_not_leave_future_moments() -> None:
    subject = history((100, series(5)), (40, series(9)))
    assert increases(subject) == [9]


def test_looking_all_the_time_does_not_lose_the_beginning_of_the_window() -> None:
    subject = History()
    for millisecond in range(0, 100_000, 50):
        subject.add(millisecond * 1_000_000, series(millisecond), NAMES, keep_s=80)
    assert len(subject._moments) < 90
    (grown,) = increases(subject)
    assert 60_000 <= grown <= 61_100  # type: ignore[operator]


def test_gauges_and_other_metrics_are_not_kept() -> None:
    gauge = Series(metric=MEMORY_BYTES, labels=(), points=(Point(end_unix_ns=1, value=1),))
    assert not history((0, [gauge]))._moments[0].values


def test_distributions_differ_bucket_by_bucket() -> None:
    then = Distribution(bounds=(1.0, 2.0), counts=(1, 2, 3), sum=10)
    now = Distribution(bounds=(1.0, 2.0), counts=(1, 4, 3), sum=13)
    metric = OPERATION_DURATION
    subject = history((0, series(then, metric=metric)), (60, series(now, metric=metric)))
    assert increases(subject, metric.name) == [Distribution(bounds=(1.0, 2.0), counts=(0, 2, 0), sum=3)]


def test_an_unchanged_distribution_has_no_quantile() -> None:
    same = Distribution(bounds=(1.0, 2.0), counts=(1, 2, 3), sum=10)
    metric = OPERATION_DURATION
    subject = history((0, series(same, metric=metric)), (60, series(same, metric=metric)))
    (empty,) = increases(subject, metric.name)
    assert isinstance(empty, Distribution)
    assert quantile(empty, 0.95) is None


def test_a_quantile_is_interpolated_within_its_bucket() -> None:
    subject = Distribution(bounds=(10.0, 20.0, 40.0), counts=(0, 50, 50, 0), sum=2000)
    assert quantile(subject, 0.5) == 20
    assert quantile(subject, 0.75) == 30
    assert quantile(subject, 0.25) == 15


def test_values_of_one_bucket_have_their_mean_as_quantile() -> None:
    assert quantile(Distribution(bounds=(10.0, 20.0), counts=(0, 4, 0), sum=72), 0.95) == 18


def test_the_open_bucket_has_its_bound_as_quantile() -> None:
    assert quantile(Distribution(bounds=(10.0,), counts=(1, 99), sum=10_000), 0.95) == 10


@given(st.lists(st.integers(0, 100), min_size=4, max_size=4), st.floats(0, 1))
def test_quantiles_stay_within_the_bounds(counts: list[int], q: float) -> None:
    value = quantile(Distribution(bounds=(1.0, 2.0, 4.0), counts=tuple(counts), sum=sum(counts) * 2.0), q)
    assert (value is None) == (sum(counts) == 0)
    assert value is None or 0 <= value <= 4


def test_merging_adds_buckets_and_leaves_out_other_bounds() -> None:
    a = Distribution(bounds=(1.0,), counts=(1, 2), sum=3)
    other = Distribution(bounds=(2.0,), counts=(9, 9), sum=9)
    assert merged([a, a, other]) == Distribution(bounds=(1.0,), counts=(2, 4), sum=6)
    assert merged([]) is None


@pytest.mark.parametrize("metric", ["operation/duration", "unknown"])
def test_nothing_seen_is_nothing_grown(metric: str) -> None:
    assert increases(History(), metric) == []
