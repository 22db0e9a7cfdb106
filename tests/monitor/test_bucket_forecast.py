"""How many buckets will fill, where the answer is plain."""

from genesis_performance.monitor.bucket_forecast import mean_filled


def test_two_humps_far_apart_are_forecast_each_by_itself() -> None:
    hump = [3, 8, 15, 8, 3]
    one = [0] * 30 + hump + [0] * 95
    two = [0] * 30 + hump + [0] * 50 + hump + [0] * 40
    assert mean_filled(two, 20) - 2 * mean_filled(one, 20) < 2


def test_durations_that_hardly_vary_fill_hardly_more() -> None:
    assert mean_filled([0] * 50 + [100] + [0] * 50, 20) < 4


def test_a_single_value_says_little_and_fills_little() -> None:
    assert 1 <= mean_filled([0] * 50 + [1] + [0] * 50, 20) < 5


def test_nothing_recorded_fills_nothing() -> None:
    assert mean_filled([0] * 10, 20) == 0
