"""``genesis-perf regress``: exit codes that a pipeline can rely on."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from genesis_performance import config
from genesis_performance.cli.regress import command
from genesis_performance.errors import ConfigurationError, InvalidInputError


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    config.reset(config.load(environ={}))
    yield
    config.reset()


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def values(middle_ms: float, seed: int = 1) -> list[float]:
    drawn = random.Random(seed)
    return [middle_ms * drawn.uniform(0.97, 1.03) for _ in range(30)]


def write(name: str, content: Any) -> str:
    Path(name).write_text(content if isinstance(content, str) else json.dumps(content))
    return name


def test_equal_runs_exit_0() -> None:
    runs = [[values(10, seed) for seed in each] for each in ((1, 2, 3), (4, 5, 6))]
    result = invoke("check", write("a.json", runs[0]), write("b.json", runs[1]))
    assert result.exit_code == 0, result.output
    assert "b: pass" in result.output
    assert "1 compared, 0 regressed, 0 inconclusive, 0 without baseline" in result.output
    assert "Fitted on" in result.output


def test_a_slow_down_exits_1_and_says_by_how_much() -> None:
    result = invoke("check", write("a.json", values(10)), write("b.json", values(20, 2)))
    assert result.exit_code == 1
    assert "b: regressed (+100" in result.output


def test_too_few_values_exit_3() -> None:
    assert invoke("check", write("a.json", [1.0]), write("b.json", [9.0])).exit_code == 3


def test_a_missing_baseline_file_exits_4() -> None:
    result = invoke("check", "absent.json", write("b.json", [9.0]))
    assert result.exit_code == 4
    assert "no baseline file absent.json" in result.output


def test_an_operation_without_baseline_exits_4_and_is_named() -> None:
    result = invoke("check", write("a.json", {"x": values(1)}), write("b.json", {"y": values(1)}))
    assert result.exit_code == 4
    assert "y: no baseline" in result.output


def test_a_regression_weighs_more_than_a_missing_baseline() -> None:
    current = {"x": values(30), "y": values(1)}
    assert invoke("check", write("a.json", {"x": values(1)}), write("b.json", current)).exit_code == 1


def test_an_empty_file_exits_5() -> None:
    assert invoke("check", write("a.json", {}), write("b.json", {})).exit_code == 5


@pytest.mark.parametrize("arguments", [(), ("a", "b", "c"), ("absent.json",)])
def test_wrong_usage_exits_2(arguments: tuple[str, ...]) -> None:
    assert invoke("check", *arguments).exit_code == 2


def test_baselines_of_the_store_are_used_for_a_single_file() -> None:
    kept = invoke("baseline", write("a.json", {"checkout": [values(10), values(10, 2)]}))
    assert kept.output == "checkout: 60 values in 2 runs\n"
    assert invoke("list").output == "checkout: 60 values in 2 runs\n"
    assert invoke("check", write("b.json", {"checkout": values(30)})).exit_code == 1


def test_without_baselines_the_list_says_how_to_make_one() -> None:
    assert "regress baseline FILE.json" in invoke("list").output
    assert invoke("baseline", "absent.json").exit_code == 2


def test_results_of_bench_are_understood() -> None:
    document = {"schema_version": 1, "benchmarks": [{"benchmark_name": "x", "runs_ms": [values(1)]}]}
    result = invoke("check", write("a.json", document), write("b.json", {"x": values(1, 3)}))
    assert "x: " in result.output


def test_json_holds_the_results_and_what_has_no_baseline() -> None:
    current = {"x": values(2), "y": values(1)}
    result = invoke("check", "--json", write("a.json", {"x": values(1)}), write("b.json", current))
    document = json.loads(result.stdout)
    assert document["results"][0]["verdict"] == "regressed"
    assert document["without_baseline"] == ["y"]


def test_options_override_the_settings() -> None:
    files = write("a.json", values(10)), write("b.json", values(12, 2))
    assert invoke("check", *files, "--min-effect", "0.5").exit_code == 0
    assert isinstance(invoke("check", *files, "--min-effect", "nan").exception, ConfigurationError)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "can not be read as JSON"),
        ("{", "can not be read as JSON"),
        ("5", "must hold a list or an object"),
        ('{"x": 5}', "x is a int"),
        ('{"x": [NaN]}', r"x\[0\] is nan"),
        ("[1, null]", r"\[1\] is None"),
        ('{"benchmarks": [{}]}', "benchmark_name and runs_ms"),
        ("[" * 100_000, "can not be read as JSON"),
    ],
)
def test_a_file_of_something_else_is_an_error_that_says_why(content: str, message: str) -> None:
    error = invoke("baseline", write("a.json", content)).exception
    assert isinstance(error, InvalidInputError)
    with pytest.raises(InvalidInputError, match=message):
        raise error
