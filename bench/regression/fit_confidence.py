"""Fit and calibrate the confidence of the regression verdict on labelled pairs, and say how well it holds.

Writes coefficients only, no data. ``python bench/regression/fit_confidence.py DATA [-o FILE]``; DATA is a
folder with the files that ``labelled_pairs.FAMILIES`` names.

The five coefficients of the probability minimise the log loss over all pairs x effects x minimum effects,
with every family weighing the same. The prior over effects is half no change, half one of EFFECTS. The
calibration error is measured leaving one family out: the coefficients are fitted on the others, so that it
tells what to expect in an environment that was not seen.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from dataclasses import asdict, astuple
from pathlib import Path

import numpy as np
from labelled_pairs import families
from scipy import optimize, stats

from genesis_performance.stats.two_sample import Coefficients, Shift, measure_shift

EFFECTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
MIN_EFFECTS = (0.02, 0.05, 0.1, 0.2)
PRIOR = np.array([0.5] + [0.5 / 6] * 6)
START = (-3.0, 0.2, 1.0, 0.0, 0.0)
BOUNDS = ((-8, 1), (0, 1), (-0.5, 3), (-1.5, 1.5), (-4, 2))
TARGET = Path(__file__).parents[2] / "src/genesis_performance/regression/confidence.json"

Table = dict[str, np.ndarray]


def table(shifts: list[Shift]) -> Table:
    fields = zip(*(astuple(shift) for shift in shifts), strict=True)
    return dict(zip(Shift.__dataclass_fields__, map(np.array, fields), strict=True))


def error_and_degrees(theta: np.ndarray, t: Table) -> tuple[np.ndarray, np.ndarray]:
    """The same formula as ``stats.two_sample.standard_error``, on arrays."""
    prior_degrees = np.exp(theta[2])
    prior = np.exp(theta[0] + theta[1] * np.log(t["noise"]))
    degrees = prior_degrees + t["run_degrees"]
    between = (prior_degrees * prior**2 + t["run_squares"]) / degrees
    return np.sqrt(t["within_variance"] + between * t["run_weight"]), degrees


def probabilities(theta: np.ndarray, t: Table) -> np.ndarray:
    """Axes: pair, effect, minimum effect."""
    error, degrees = error_and_degrees(theta, t)
    moved = (
        t["shift"][:, None, None] + np.log1p(EFFECTS)[None, :, None] - np.log1p(MIN_EFFECTS)[None, None, :]
    )
    raw = np.clip(stats.t.cdf(moved / error[:, None, None], degrees[:, None, None]), 1e-12, 1 - 1e-12)
    logit = theta[4] + np.exp(theta[3]) * np.log(raw / (1 - raw))
    return np.clip(1 / (1 + np.exp(-logit)), 1e-9, 1 - 1e-9)


LABELS = np.array(EFFECTS)[:, None] > np.array(MIN_EFFECTS)[None, :]
CLEAR = np.array(EFFECTS)[:, None] != np.array(MIN_EFFECTS)[None, :]  # on the edge there is no right answer
WEIGHTS = (PRIOR[:, None] * CLEAR) / (PRIOR[:, None] * CLEAR).sum()


def loss(theta: np.ndarray, tables: list[Table]) -> float:
    total = 0.0
    for t in tables:
        p = probabilities(theta, t)
        total -= (np.where(LABELS, np.log(p), np.log(1 - p)) * WEIGHTS).sum(axis=(1, 2)).mean()
    return total / len(tables)


def fit(tables: list[Table]) -> np.ndarray:
    return optimize.minimize(loss, START, (tables,), "L-BFGS-B", bounds=BOUNDS).x


def interval_scale(theta: np.ndarray, tables: list[Table]) -> float:
    """Smallest factor, at least 1, with which the 95 % intervals cover the truth; families weigh alike."""

    def coverage(scale: float) -> float:
        return float(np.mean([covered(theta, t, scale) for t in tables]))

    return float(next(scale for scale in np.arange(1, 20, 0.02) if coverage(scale) >= 0.95))


def covered(theta: np.ndarray, t: Table, scale: float) -> float:
    error, degrees = error_and_degrees(theta, t)
    return float(np.mean(np.abs(t["shift"]) <= scale * stats.t.ppf(0.975, degrees) * error))


def calibration_error(theta: np.ndarray, t: Table, low: float = 0.0, high: float = 1.0) -> float:
    """Expected calibration error: mean |stated - true| over ten bins, by their weight.

    Most pairs are easy, stated near 0 or 1; ``low`` and ``high`` keep the others.
    """
    p = probabilities(theta, t)
    weights = np.broadcast_to(WEIGHTS, p.shape) * ((p >= low) & (p <= high))
    misses = (p - np.broadcast_to(LABELS, p.shape)) * weights
    bins = np.minimum((p * 10).astype(int), 9)
    return float(sum(abs(misses[bins == each].sum()) for each in range(10)) / weights.sum())


def rates(theta: np.ndarray, t: Table, threshold: float = 0.95) -> dict[str, float]:
    """Share called regressed at a minimum effect of 5 %, by true effect."""
    called = probabilities(theta, t)[:, :, MIN_EFFECTS.index(0.05)] >= threshold
    return {f"{effect:g}": round(float(called[:, i].mean()), 3) for i, effect in enumerate(EFFECTS)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=TARGET)
    options = parser.parse_args()
    pairs = families(options.data)
    tables = {name: table([measure_shift(*pair) for pair in each]) for name, each in pairs.items()}
    theta = fit(list(tables.values()))
    report = {}
    for name, t in tables.items():
        others = [other for other_name, other in tables.items() if other_name != name]
        without = fit(others)
        report[name] = {
            "pairs": len(t["shift"]),
            "calibration_error_left_out": round(calibration_error(without, t), 3),
            "calibration_error_left_out_uncertain": round(calibration_error(without, t, 0.05, 0.95), 3),
            "calibration_error": round(calibration_error(theta, t), 3),
            "interval_coverage_left_out": round(covered(without, t, interval_scale(without, others)), 3),
            "called_regressed_left_out": rates(without, t),
        }
        print(name, json.dumps(report[name]), flush=True)
    coefficients = Coefficients(
        prior_intercept=round(float(theta[0]), 4),
        prior_slope=round(float(theta[1]), 4),
        prior_degrees=round(float(np.exp(theta[2])), 4),
        logit_slope=round(float(np.exp(theta[3])), 4),
        logit_intercept=round(float(theta[4]), 4),
        interval_scale=round(interval_scale(theta, list(tables.values())), 2),
    )
    left_out = [each["calibration_error_left_out"] for each in report.values()]
    uncertain = [each["calibration_error_left_out_uncertain"] for each in report.values()]
    document = {
        "fitted_on": dt.datetime.now(dt.UTC).date().isoformat(),
        "pairs": sum(each["pairs"] for each in report.values()),
        "effects": EFFECTS,
        "min_effects": MIN_EFFECTS,
        "coefficients": asdict(coefficients),
        "calibration_error_left_out_mean": round(float(np.mean(left_out)), 3),
        "calibration_error_left_out_worst": max(left_out),
        "calibration_error_left_out_uncertain_mean": round(float(np.mean(uncertain)), 3),
        "families": report,
    }
    options.output.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document["coefficients"]), document["calibration_error_left_out_mean"])


if __name__ == "__main__":
    main()
