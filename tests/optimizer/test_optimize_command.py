"""``genesis-perf optimize`` prints the advice with its numbers, and the plan made of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from genesis_performance import config
from genesis_performance.cli.optimize import command
from genesis_performance.errors import InvalidInputError, UnknownNameError

METRICS = {
    "p95_latency_ms": 900,
    "cpu_utilization": 0.08,
    "cpu_utilization_p99": 0.2,
    "vcpu": 4,
    "billable_instance_seconds": 1_000_000,
    "window_s": 604_800,
    "colour": "red",
}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS))
    config.reset()
    yield
    config.reset()


def run(*arguments: str, stdin: str | None = None) -> str:
    result = CliRunner().invoke(command, arguments, input=stdin, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_advice_is_printed_with_its_saving_its_source_and_what_was_not_examined() -> None:
    output = run("analyze", "--service", "shop[/]", "--metrics", "metrics.json")
    assert "208.57 USD a month (191.89 USD to 208.57 USD)" in output
    assert "as of 2026" in output
    assert "gcloud run services update 'shop[/]' --cpu=2" in output
    assert "not examined: optimizer/cold-starts needs cold_start_rate" in output
    assert "unknown metric: colour" in output
    assert max(map(len, output.splitlines())) <= 100


def test_the_plan_is_made_of_what_was_advised_and_a_dismissed_one_is_out() -> None:
    run("analyze", "--service", "shop", "--metrics", "metrics.json")
    plan = json.loads(run("plan", "--json", "--hours", "5"))
    assert plan["summary"]["total_implementation_hours"] == 1.0
    (selected,) = plan["selected_recommendations"]
    text = run("plan", "--hours", "5")
    assert selected["id"] in text
    assert "takes 8 hours, more than the plan has" in " ".join(text.split())
    assert "is DISMISSED" in run("mark", selected["id"], "dismissed")
    assert json.loads(run("plan", "--json", "--hours", "5"))["summary"]["recommendation_count"] == 0
    assert "0 recommendations" in run("plan", "--hours", "5")


def test_a_finding_without_advice_is_printed_too() -> None:
    output = run("analyze", "--service", "s", "--metrics", "-", stdin="{cpu_utilization: 0.1, vcpu: 2}")
    assert "give cpu_utilization_p99 to size by the peaks" in " ".join(output.split())


def test_a_good_state_says_how_many_rules_looked() -> None:
    output = run("analyze", "--service", "s", "--metrics", "-", stdin="{memory_utilization: 0.2}")
    assert "s: nothing found by 1 rules" in output


def test_json_has_all_that_was_found() -> None:
    analysis = json.loads(run("analyze", "--service", "shop", "--metrics", "metrics.json", "--json"))
    assert {r["rule"] for r in analysis["recommendations"]} == {
        "optimizer/idle-cpu",
        "optimizer/io-bound-latency",
    }
    assert analysis["unknown_metrics"] == ["colour"]


@pytest.mark.parametrize("text", ["", "[1, 2]", "{a: [", "\0", "just text"])
def test_a_file_without_metrics_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"as metrics|names and values"):
        run("analyze", "--service", "s", "--metrics", "-", stdin=text)


def test_a_missing_file_is_an_error_of_ours() -> None:
    with pytest.raises(InvalidInputError, match=r"nothing\.json can not be read"):
        run("analyze", "--service", "s", "--metrics", "nothing.json")


def test_an_unknown_recommendation_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="no recommendation 'x'"):
        run("mark", "x", "CLAIMED")
