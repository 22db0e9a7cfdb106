"""The report page: complete, self-contained, and safe whatever the names hold."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from genesis_performance.errors import InvalidInputError
from genesis_performance.model.advice import (
    Finding,
    OptimizationRecommendation,
    Risk,
    Saving,
    Severity,
)
from genesis_performance.model.alert import IncidentState, PerformanceIncident
from genesis_performance.model.change import RegressionResult, RegressionSeverity, Verdict
from genesis_performance.model.money import Money
from genesis_performance.model.operation import Histogram, OperationSnapshot, RepeatedCall
from genesis_performance.render import Report, render_report, to_json
from genesis_performance.render.chart import MOST_LINES
from genesis_performance.render.text import milliseconds, percent, probability
from genesis_performance.stats.histogram import bucket_index

SECOND = 1_000_000_000
BEGIN = 1_700_000_000 * SECOND
NASTY = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "GET /a\x00b\x1b[31m",
    "x" * 10_240,
    "checkout 🛒 naïve",
    "\ud800 lone surrogate",
    "\u202egnp.exe",
    "",
)


def operation(name: str, *milli: float, errors: int = 0, cpu_ns: int | None = None) -> OperationSnapshot:
    values = [int(value * 1e6) for value in milli]
    counts: dict[int, int] = {}
    for value in values:
        counts[bucket_index(value)] = counts.get(bucket_index(value), 0) + 1
    return OperationSnapshot(
        name=name,
        count=len(values),
        errors=errors,
        sum_ns=sum(values),
        min_ns=min(values, default=0),
        max_ns=max(values, default=0),
        histogram=Histogram(counts),
        cpu_ns=cpu_ns,
        start_unix_ns=BEGIN,
    )


def regression(verdict: Verdict, score: float) -> RegressionResult:
    return RegressionResult(
        operation_name="GET /checkout/{cart}",
        verdict=verdict,
        regression_severity=RegressionSeverity.MAJOR,
        confidence_score=score,
        change_ratio=2.49,
        change_low=2.1,
        change_high=2.9,
        baseline_median_ms=80,
        current_median_ms=279,
        baseline_p95_ms=118,
        current_p95_ms=412,
        baseline_count=412,
        current_count=212,
        min_effect_ratio=0.05,
        calibration="labelled changes of public benchmarks",
        recommendations=("Look at the newest deploy.",),
    )


def incident(*, closed: bool) -> PerformanceIncident:
    return PerformanceIncident(
        id="inc-1",
        alert_name="checkout-response-time",
        service_name="shop",
        operation="GET /checkout/{cart}",
        state=IncidentState.CLOSED if closed else IncidentState.OPEN,
        current_value=121.0,
        worst_value=412.0,
        threshold=300.0,
        unit="ms",
        opened_unix_ns=BEGIN + 60 * SECOND,
        closed_unix_ns=BEGIN + 100 * SECOND if closed else None,
    )


def recommendation() -> OptimizationRecommendation:
    finding = Finding(
        rule="optimizer/identical-reads",
        severity=Severity.WARNING,
        resource="GET /checkout/{cart}",
        title="Identical reads",
        reason="The secret tax-key was read 3.1 times in each of 212 executions.",
        file="shop/pricing.py",
        line=48,
    )
    return OptimizationRecommendation(
        id="1",
        rule="optimizer/identical-reads",
        title="Read the secret tax-key once",
        description="The same secret version is read again for every line item.",
        resource="GET /checkout/{cart}",
        effort_hours=1,
        risk=Risk.LOW,
        steps=("Read it before the loop.", "Deploy."),
        commands=("tax_key = await secrets.get_secret('tax-key')",),
        findings=(finding,),
        saving=Saving(
            low=Money(Decimal("31.00")),
            expected=Money(Decimal("38.20")),
            high=Money(Decimal("44.10")),
            formula="12 733 333 reads x 3.00 USD / 1 000 000",
            basis="212 executions; list price of 2026-11-01",
        ),
        latency_gain_ms=(180.0, 290.0, 310.0),
    )


def full() -> Report:
    moments = [BEGIN + step * 2 * SECOND for step in range(70)]
    slow = tuple(
        (moment, 118 + step % 7 + (294 if 25 <= step < 50 else 0)) for step, moment in enumerate(moments)
    )
    return Report(
        title="Genesis Performance: the shop",
        notice="Demonstration data from a local run.",
        headline="GET /checkout was 3.5 times slower for 50 seconds after deploy v2; it is back at 121 ms.",
        events=(
            (BEGIN + 49 * SECOND, "deploy", "shop v2 takes traffic"),
            (BEGIN + 54 * SECOND, "regression", "GET /checkout/{cart} p95 118 to 412 ms, almost certain"),
            (BEGIN + 60 * SECOND, "incident", "checkout-response-time opened"),
            (BEGIN + 99 * SECOND, "fix", "tax-key is read once"),
            (BEGIN + 100 * SECOND, "closed", "checkout-response-time closed"),
        ),
        latency={
            "GET /checkout/{cart}": slow,
            "GET /products": tuple((moment, 34.0 + step % 5) for step, moment in enumerate(moments)),
            "POST /cart": tuple((moment, 61.0 + step % 9) for step, moment in enumerate(moments)),
        },
        threshold_ms=300,
        operations=(
            operation("GET /checkout/{cart}", *[80.0] * 90, *[412.0] * 10, errors=2, cpu_ns=2_000_000_000),
            operation("GET /products", *[12.5] * 500),
            operation("never ran"),
        ),
        regressions=(regression(Verdict.REGRESSED, 0.9993), regression(Verdict.INCONCLUSIVE, 0.61)),
        incidents=(incident(closed=True),),
        recommendations=(recommendation(),),
        repeated_calls=(
            RepeatedCall(
                operation="GET /checkout/{cart}",
                kind="secret read",
                key="tax-key",
                file="shop/pricing.py",
                line=48,
                function="line_total",
                executions=212,
                calls=657,
                most=9,
                duration_ns=61 * SECOND,
            ),
        ),
        facts=(
            ("Requests", "4,212", "recorder"),
            ("Series", "38", "emulator"),
            ("p95 now", "121 ms", "recorder"),
        ),
        notes=("CPU of GET /products is not known: it awaits.",),
    )


class Page(HTMLParser):
    """Elements, attributes and text; void elements are not waited for."""

    VOID = frozenset({"meta", "line", "rect", "circle", "path"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_is_well_formed_and_complete() -> None:
    page = Page(render_report(full()))
    assert page.open == []
    for words in (
        "Demonstration data",
        "deploy",
        "shop/pricing.py:48",
        "12 733 333 reads x 3.00 USD / 1 000 000",
        "38.20 USD a month (low 31.00 USD, high 44.10 USD)",
        "Effort1 hour",
        "almost certain that it is slower by more than 5.0 % (over 99.9 %)",
        "Can not be told from these measurements",
        "threshold 300 ms",
        "CPU of GET /products is not known",
        "657 in 212",
        "lasted 40.00 s",
    ):
        assert words in page.words, words


def test_nothing_is_loaded_from_anywhere() -> None:
    text = render_report(full())
    page = Page(text)
    assert not re.search(r"https?://|url\(|@import|//[a-z]", text)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not {"src", "href", "srcset"} & {name for name, _ in page.attributes}


@pytest.mark.parametrize("name", NASTY, ids=lambda name: repr(name[:12]))
def test_names_can_not_break_the_page(name: str) -> None:
    usual = render_report(full())
    text = render_report(
        Report(
            title=name,
            notice=name or "n",
            headline=name or "h",
            events=((BEGIN, name, name),),
            latency={name: ((BEGIN, 1.0), (BEGIN + SECOND, 2.0))},
            operations=(operation(name, 5.0),),
            facts=((name, name, name),),
            notes=(name,),
        )
    )
    page = Page(text)
    assert page.open == []
    assert set(page.tags) <= set(Page(usual).tags)
    assert not any(key.startswith("on") for key, _ in page.attributes)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
    assert len(text.encode("utf-8")) < 60_000


def test_an_empty_report_says_that_nothing_was_recorded() -> None:
    text = render_report(Report(title="Empty"))
    assert "Nothing was recorded." in text
    assert "<svg" not in text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_is_a_gap(value: float) -> None:
    points = ((BEGIN, 10.0), (BEGIN + SECOND, value), (BEGIN + 2 * SECOND, 12.0))
    text = render_report(Report(title="t", latency={"a": points}, threshold_ms=value))
    drawn = re.search(r'<path class="line c0" d="([^"]*)"', text)
    assert drawn
    assert drawn[1].count("M") == 2
    assert not re.search(r'"[^"]*\b(nan|inf)\b[^"]*"', text)
    assert "not known" in text


def test_points_that_are_all_no_numbers_draw_nothing() -> None:
    assert "<svg" not in render_report(Report(title="t", latency={"a": ((BEGIN, float("nan")),), "b": ()}))


def test_only_the_highest_operations_are_drawn_and_the_page_says_so() -> None:
    latency = {f"operation {place}": ((BEGIN, float(place)),) for place in range(20)}
    text = render_report(Report(title="t", latency=latency))
    assert text.count('<path class="line') == MOST_LINES
    assert f"{20 - MOST_LINES} more operations" in text
    assert "operation 19" in text


def test_a_long_run_is_thinned_in_the_table_and_says_so() -> None:
    points = tuple((BEGIN + step * SECOND, 1.0) for step in range(5000))
    text = render_report(Report(title="t", latency={"a": points}))
    assert "Every 13th moment of 5,000 is listed." in text


def test_an_open_incident_is_shaded_to_the_end() -> None:
    points = ((BEGIN, 10.0), (BEGIN + 120 * SECOND, 400.0))
    text = render_report(Report(title="t", latency={"a": points}, incidents=(incident(closed=False),)))
    band = re.search(r'<rect class="band" x="([\d.]+)" y="62" width="([\d.]+)"', text)
    assert band
    assert float(band[1]) + float(band[2]) == pytest.approx(960 - 18, abs=0.2)
    assert "open" in Page(text).words


def test_an_operation_without_values_has_no_quantiles() -> None:
    text = render_report(Report(title="t", operations=(operation("never ran"),)))
    assert text.count(">none<") == 3


def test_verdicts_in_words_never_claim_certainty() -> None:
    text = render_report(Report(title="t", regressions=(regression(Verdict.PASS, 0.0),)))
    assert "Not slower: almost certain that any slowdown is below 5.0 % (over 99.9 %)." in text


def test_figures_read_well() -> None:
    assert [milliseconds(value) for value in (0, 0.004, 1.234, 56.78, 412.3, 1530, 90_000)] == [
        "0 ms", "4.00 µs", "1.23 ms", "56.8 ms", "412 ms", "1.53 s", "1.5 min",
    ]  # fmt: skip
    assert percent(2.49, sign=True) == "+249 %"
    assert percent(float("nan")) == "not known"
    assert probability(float("nan")) == "not known"


def _contrast(first: str, second: str) -> float:
    """Contrast ratio of WCAG 2.2, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_have_the_contrast_of_wcag_aa(theme: int) -> None:
    style = render_report(Report(title="t"))
    block = style.split(":root {")[1 + theme].split("}")[0]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for ground in ("page", "card", "code", "warn-soft"):
        assert _contrast(colours["text"], colours[ground]) >= 4.5
    for ink in ("soft", "link", "bad", "good", "deploy", "warn"):
        assert _contrast(colours[ink], colours["card"]) >= 4.5, ink
    assert _contrast(colours["soft"], colours["page"]) >= 4.5
    for look in ("bad", "good", "warn"):
        assert _contrast(colours[look], colours[f"{look}-soft"]) >= 4.5, look
    for look in ("bad", "good", "deploy", "other"):
        assert _contrast(colours["pin-text"], colours[look]) >= 4.5, look
    for line in range(MOST_LINES):
        assert _contrast(colours[f"c{line}"], colours["card"]) >= 3


def test_json_is_exact_and_versioned() -> None:
    document = json.loads(to_json(recommendation()))
    assert document["schema_version"] == 1
    assert document["kind"] == "OptimizationRecommendation"
    assert document["value"]["saving"]["expected"] == {"amount": "38.20", "currency": "USD"}


def test_json_has_null_for_what_is_no_number() -> None:
    assert json.loads(to_json([float("nan"), {"a": (float("inf"), 1.5)}]))["value"] == [
        None,
        {"a": [None, 1.5]},
    ]


def test_json_refuses_what_it_can_not_hold() -> None:
    with pytest.raises(InvalidInputError, match="object has no form in JSON"):
        to_json(object())


def test_the_heads_of_events_at_one_moment_do_not_cover_one_another() -> None:
    events = tuple((BEGIN + place, "setup", str(place)) for place in range(8))
    points = ((BEGIN, 1.0), (BEGIN + SECOND, 2.0))
    text = render_report(Report(title="t", events=events, latency={"a": points}))
    heads = re.findall(r'<circle class="pin-head[^>]*cx="([\d.]+)" cy="(\d+)"', text)
    assert len(heads) == len(set(heads)) == 8


def test_a_reason_that_repeats_the_description_is_told_once() -> None:
    advice = recommendation()
    reason = advice.findings[0].reason
    text = render_report(Report(title="t", recommendations=(replace(advice, description=reason),)))
    assert text.count(reason) == 1
