"""``genesis-perf bench`` on files that a user would write."""

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from genesis_performance import config
from genesis_performance.benchmarks import PerformanceBenchmarks
from genesis_performance.cli.bench import command
from genesis_performance.errors import InvalidInputError, NoDataError, UnknownNameError

FILE = """
    from genesis_performance.benchmarks import BenchmarkConfig, PerformanceBenchmarks

    benchmarks = PerformanceBenchmarks()
    for name, target_ms in (("sorted", 1000.0), ("hopeless", 1e-6)):
        benchmarks.register_benchmark(
            BenchmarkConfig(
                benchmark_name=name,
                target_function=lambda: sorted(range(1000)),
                measurement_iterations=8,
                target_avg_ms=target_ms,
            )
        )
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    monkeypatch.setattr("sys.modules", dict(__import__("sys").modules))
    (tmp_path / "speed.py").write_text(dedent(FILE))
    config.reset(config.load(environ={}))
    yield
    config.reset()


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_a_benchmark_that_meets_its_target_exits_0() -> None:
    result = invoke("run", "speed.py:sorted")
    assert result.exit_code == 0, result.output
    assert "sorted" in result.output
    assert "met" in result.output
    assert "1 measured" in result.output
    assert max(len(line) for line in result.output.splitlines()[:2]) <= 100


def test_a_missed_target_exits_1_and_is_named() -> None:
    result = invoke("run", "speed.py")
    assert result.exit_code == 1
    assert "hopeless: avg is" in result.output


def test_json_holds_every_field_of_the_results() -> None:
    result = invoke("run", "speed.py:sorted", "--json")
    document = json.loads(result.stdout)
    assert document["schema_version"] == 1
    assert len(document["benchmarks"][0]["runs_ms"][0]) == 8


def test_a_module_is_run_by_its_name() -> None:
    assert invoke("run", "speed:sorted").exit_code == 0


def test_what_ran_is_listed_from_the_store() -> None:
    assert "no results yet" in invoke("list").output
    invoke("run", "speed.py:sorted")
    invoke("run", "speed.py:sorted")
    listed = invoke("list", "--json")
    assert [each["benchmark_name"] for each in json.loads(listed.stdout)["benchmarks"]] == ["sorted"]
    assert "1 measured" in invoke("list").output


def test_what_a_file_registers_is_listed() -> None:
    assert invoke("list", "speed.py").output == "sorted\nhopeless\n"
    assert json.loads(invoke("list", "speed.py", "--json").output) == ["sorted", "hopeless"]


def test_results_become_baselines_when_asked() -> None:
    invoke("run", "speed.py:sorted", "--baseline")
    with PerformanceBenchmarks() as benchmarks:
        assert benchmarks.create_baseline("sorted").operation_name == "sorted"
        with pytest.raises(NoDataError):
            benchmarks.create_baseline("hopeless")


def test_a_file_that_registers_nothing_exits_5(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text(
        "from genesis_performance import benchmarks as part\nbenchmarks = part.PerformanceBenchmarks()\n"
    )
    result = invoke("run", "empty.py")
    assert result.exit_code == 5
    assert "registers no benchmark" in result.output


def test_an_unknown_benchmark_of_a_file_lists_the_known_ones() -> None:
    assert isinstance(invoke("run", "speed.py:nothing").exception, UnknownNameError)


@pytest.mark.parametrize(
    ("target", "content", "message"),
    [
        ("absent.py", None, "absent.py can not be loaded: FileNotFoundError"),
        ("absent_module", None, "absent_module can not be loaded: ModuleNotFoundError"),
        ("broken.py", "def", "SyntaxError"),
        ("raising.py", "1 / 0", "ZeroDivisionError: division by zero"),
        ("without.py", "x = 1", "write benchmarks = PerformanceBenchmarks()"),
        ("odd.py", "benchmarks = [1]", "write benchmarks = PerformanceBenchmarks()"),
    ],
)
def test_a_file_that_can_not_be_run_is_an_error_that_says_why(
    tmp_path: Path, target: str, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / target).write_text(content)
    error = invoke("run", target).exception
    assert isinstance(error, InvalidInputError)
    assert message in str(error)
