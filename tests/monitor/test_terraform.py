import json
import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.model.alert import PerformanceAlert
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.monitor.dashboards import performance_dashboard
from genesis_performance.monitor.terraform import Blocks, jsonencode, resource, text

SLO = "projects/p/services/s/serviceLevelObjectives/o"


def every_kind() -> list[PerformanceAlert]:
    with PerformanceMonitor() as monitor:
        return [
            monitor.create_response_time_alert(
                "api", 500, apply="plan", duration_s=60, documentation='Say "${x}"\nand %{y}'
            ),
            monitor.create_error_rate_alert("api", 2, apply="plan"),
            monitor.create_throughput_alert("api", 30, apply="plan"),
            monitor.create_cpu_alert("api", 80, apply="plan"),
            monitor.create_memory_alert("api", 800, apply="plan"),
            monitor.create_absence_alert("api", apply="plan"),
            *monitor.create_burn_rate_alerts("api", 99.9, apply="plan"),
            *monitor.create_burn_rate_alerts("shop", 99.9, apply="plan", slo=SLO),
        ]


def everything() -> str:
    alerts = every_kind()
    dashboard = performance_dashboard("api", "production", prefix="p", alerts=alerts, slo=SLO)
    return "\n".join([*(str(alert.terraform) for alert in alerts), dashboard.to_terraform()])


def test_arguments_come_before_blocks_and_their_signs_are_aligned() -> None:
    body = {"name": "x", "inner": Blocks([{"a": 1, "bcd": True}]), "channels": ["c"], "labels": {"k": "v"}}
    assert resource("google_thing", "my-Thing", body, prefix="thing").splitlines() == [
        'resource "google_thing" "my_thing" {',
        '  name     = "x"',
        '  channels = ["c"]',
        "  labels = {",
        '    k = "v"',
        "  }",
        "",
        "  inner {",
        "    a   = 1",
        "    bcd = true",
        "  }",
        "}",
    ]


@pytest.mark.parametrize("name", ["1-api", "", "日本", "-x-", "API one"])
def test_a_name_begins_with_a_letter_and_has_no_other_signs(name: str) -> None:
    first = resource("google_thing", name, {}, prefix="thing").splitlines()[0]
    assert re.fullmatch(r'resource "google_thing" "[a-z][a-z0-9_]*" \{', first)


@given(st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from("${%}"), max_size=40))
def test_a_text_never_begins_an_expression_and_comes_back_as_it_was(value: str) -> None:
    written = text(value)
    assert not re.search(r"(?<!\$)\$\{", written)
    assert not re.search(r"(?<!%)%\{", written)
    assert json.loads(written.replace("$${", "${").replace("%%{", "%{")) == value


def test_a_value_of_jsonencode_is_an_object_of_the_language() -> None:
    written = jsonencode({"a b": [{"c": 1.5}], "d": [], "e": {}, "f": "${g}"})
    assert written.startswith("jsonencode({")
    assert '"a b" = [' in written
    assert '"$${g}"' in written


def test_every_kind_has_a_resource_of_its_own_name() -> None:
    names = re.findall(r'^resource "google_monitoring_alert_policy" "(\w+)" \{$', everything(), re.MULTILINE)
    assert len(names) == len(set(names)) == len(every_kind())


def test_braces_and_brackets_are_balanced_outside_of_texts() -> None:
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', '""', everything())
    for begin, end in ("{}", "[]", "()"):
        assert plain.count(begin) == plain.count(end) > 0


def test_terraform_itself_would_write_it_just_so(tmp_path: "pytest.TempPathFactory") -> None:
    terraform = shutil.which("terraform") or shutil.which("tofu")
    if terraform is None:
        pytest.skip("neither terraform nor tofu is installed")
    done = subprocess.run(
        [terraform, "fmt", "-check", "-diff", "-"], input=everything(), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
