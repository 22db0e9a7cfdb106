"""The shipped confidence, on the labelled benchmark data where it is at hand."""

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from genesis_performance.regression import confidence
from genesis_performance.regression.confidence import calibration
from genesis_performance.stats.two_sample import measure_shift, probability_above

ROOT = Path(__file__).parents[2]


def test_the_shipped_coefficients_say_where_they_were_fitted() -> None:
    known = calibration()
    assert known.pairs > 1000
    assert len(known.families) >= 5
    assert 0 < known.error < known.uncertain_error < 0.25
    assert known.coefficients.prior_degrees > 0


def test_the_guide_has_the_shipped_figures() -> None:
    guide = (ROOT / "docs" / "regression.md").read_text()
    fitted = json.loads(Path(confidence.__file__).with_name("confidence.json").read_text())
    for name, family in fitted["families"].items():
        called = family["called_regressed_left_out"]
        error = family["calibration_error_left_out"]
        shares = f"{called['0']:.1%} | {called['0.1']:.0%} | {called['0.2']:.0%} | {called['0.5']:.0%}"
        row = f"| {name} | {error:.3f} | {shares} |"
        assert row.replace("%", " %") in guide


def labelled_pairs() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "labelled_pairs", ROOT / "bench" / "regression" / "labelled_pairs.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["labelled_pairs"] = module
    spec.loader.exec_module(module)
    return module


def test_equal_runs_of_real_benchmarks_are_hardly_ever_called_regressed() -> None:
    folder = os.environ.get("GENESIS_PERF_TEST_DATA")
    if not folder:
        pytest.skip("GENESIS_PERF_TEST_DATA does not name the folder with regression/*.parquet")
    pytest.importorskip("duckdb")
    pairs = labelled_pairs().families(Path(folder) / "regression", seed=2)
    assert pairs, f"{folder}/regression has none of the families' files"
    coefficients = calibration().coefficients
    for family, each in pairs.items():
        shifts = [measure_shift(*pair) for pair in each[:200]]
        called = sum(probability_above(shift, 0.05, coefficients) >= 0.95 for shift in shifts)
        assert called / len(shifts) <= 0.05, family
