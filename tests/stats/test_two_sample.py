"""The shift between two sets of runs, its uncertainty, and Student's t."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.errors import InvalidInputError
from genesis_performance.stats.student import t_cdf, t_quantile
from genesis_performance.stats.two_sample import (
    Coefficients,
    change_interval,
    measure_shift,
    probability_above,
    standard_error,
)

COEFFICIENTS = Coefficients(
    prior_intercept=-4.0,
    prior_slope=0.2,
    prior_degrees=2.0,
    logit_slope=1.0,
    logit_intercept=0.0,
    interval_scale=1.0,
)


def run(middle: float, noise: float = 0.05, count: int = 30, seed: int = 1) -> list[float]:
    drawn = random.Random(seed)
    return [middle * math.exp(drawn.gauss(0, noise)) for _ in range(count)]


@pytest.mark.parametrize(
    ("t", "degrees", "expected"),
    # Table values of Student's t; 1 degree is the Cauchy distribution, known in closed form.
    [(6.314, 1, 0.95), (2.920, 2, 0.95), (2.228, 10, 0.975), (1.984, 100, 0.975), (0, 5, 0.5), (-1, 1, 0.25)],
)
def test_t_has_the_values_of_the_tables(t: float, degrees: float, expected: float) -> None:
    assert t_cdf(t, degrees) == pytest.approx(expected, abs=2e-4)


@given(st.floats(-1e6, 1e6))
def test_t_of_one_degree_is_cauchy(t: float) -> None:
    assert t_cdf(t, 1) == pytest.approx(0.5 + math.atan(t) / math.pi, abs=1e-9)


@given(st.floats(0.001, 0.999), st.floats(0.8, 200))
def test_the_quantile_of_t_is_its_inverse(p: float, degrees: float) -> None:
    assert t_cdf(t_quantile(p, degrees), degrees) == pytest.approx(p, abs=1e-6)


def test_t_at_infinity_is_certain() -> None:
    assert (t_cdf(math.inf, 3), t_cdf(-math.inf, 3)) == (1.0, 0.0)


def test_a_factor_is_a_shift_of_its_logarithm() -> None:
    baseline = run(10)
    shift = measure_shift([baseline], [[2 * value for value in baseline]])
    assert shift.shift == pytest.approx(math.log(2))


@given(st.floats(0.01, 100))
def test_the_unit_of_the_durations_does_not_matter(factor: float) -> None:
    baseline, current = [run(1), run(1, seed=2)], [run(1.1, seed=3)]
    there = measure_shift(baseline, current)
    here = measure_shift(
        [[factor * v for v in r] for r in baseline], [[factor * v for v in r] for r in current]
    )
    assert here.shift == pytest.approx(there.shift, abs=1e-9)
    assert standard_error(here, COEFFICIENTS)[0] == pytest.approx(standard_error(there, COEFFICIENTS)[0])


def test_more_values_in_one_run_never_remove_the_variation_between_runs() -> None:
    small = measure_shift([run(1)], [run(1, seed=2)])
    large = measure_shift([run(1, count=20_000)], [run(1, count=20_000, seed=2)])
    prior = math.exp(COEFFICIENTS.prior_intercept + COEFFICIENTS.prior_slope * math.log(large.noise))
    assert standard_error(small, COEFFICIENTS)[0] > standard_error(large, COEFFICIENTS)[0]
    assert standard_error(large, COEFFICIENTS)[0] >= math.sqrt(2) * prior


def test_runs_that_differ_make_the_error_larger() -> None:
    calm = measure_shift([run(1, seed=1), run(1, seed=2)], [run(1, seed=3)])
    restless = measure_shift([run(1, seed=1), run(1.3, seed=2)], [run(1, seed=3)])
    assert standard_error(restless, COEFFICIENTS)[0] > 2 * standard_error(calm, COEFFICIENTS)[0]


def test_more_runs_make_the_error_smaller() -> None:
    two = measure_shift([run(1, seed=n) for n in range(2)], [run(1, seed=n + 50) for n in range(2)])
    five = measure_shift([run(1, seed=n) for n in range(5)], [run(1, seed=n + 50) for n in range(5)])
    assert standard_error(five, COEFFICIENTS)[0] < standard_error(two, COEFFICIENTS)[0]


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_effect_is_never_more_probable(a: float, b: float) -> None:
    shift = measure_shift([run(1)], [run(1.2, seed=2)])
    small, large = (probability_above(shift, effect, COEFFICIENTS) for effect in sorted((a, b)))
    assert 0 <= large <= small <= 1


def test_the_interval_holds_the_change_and_grows_with_the_confidence() -> None:
    shift = measure_shift([run(1)], [run(1.2, seed=2)])
    narrow, wide = (change_interval(shift, COEFFICIENTS, confidence) for confidence in (0.8, 0.95))
    assert wide[0] < narrow[0] < math.expm1(shift.shift) < narrow[1] < wide[1]


def test_a_side_without_values_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="each side"):
        measure_shift([[1.0]], [[]])


@pytest.mark.parametrize("values", [[0.0], [0.0] * 20, [1.0], [5.0] * 20, [1e-300], [1e300, 1e-300]])
def test_odd_values_still_have_a_finite_error(values: list[float]) -> None:
    shift = measure_shift([values], [values])
    assert shift.shift == 0
    assert 0 < standard_error(shift, COEFFICIENTS)[0] < math.inf
    assert math.isfinite(probability_above(shift, 0.05, COEFFICIENTS))
