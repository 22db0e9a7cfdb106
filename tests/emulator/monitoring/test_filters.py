"""The filter language."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis_performance.emulator.monitoring.filters import compile_filter
from genesis_performance.emulator.monitoring.subjects import series_field
from genesis_performance.emulator.rpc_error import RpcError

SERIES = SimpleNamespace(
    metric_type="custom.googleapis.com/a",
    metric_labels={"op": "/checkout", "code": "500", "odd key": "x"},
    resource_type="generic_task",
    resource_labels={"project_id": "demo", "location": "us-central1"},
)


def matches(text):
    return compile_filter(text, series_field).matches(SERIES)


@pytest.mark.parametrize(
    "text",
    [
        'metric.type = "custom.googleapis.com/a"',
        "metric.type='custom.googleapis.com/a'",
        'metric.type="custom.googleapis.com/a" AND resource.type="generic_task"',
        'metric.type="custom.googleapis.com/a" resource.type="generic_task"',
        'metric.type = starts_with("custom.")',
        'metric.type = ends_with("/a")',
        'metric.type = has_substring("googleapis")',
        'metric.type = one_of("x", "custom.googleapis.com/a")',
        'metric.type = monitoring.regex.full_match("custom.*/[ab]")',
        'metric.type != monitoring.regex.full_match("custom")',
        'metric.labels.op = "/checkout"',
        'metric.label.op = "/checkout"',
        'metric.label."op" = "/checkout"',
        'metric.labels["odd key"] = "x"',
        'metric.labels."odd key" = x',
        "metric.labels.code = 500",
        "metric.labels.code >= 500",
        "metric.labels.code > 499.5",
        "metric.labels.code < 600",
        "metric.labels.code <= 500",
        'metric.labels.op : "check"',
        "metric.labels : op",
        "metric.labels : *",
        'resource.labels.location = "us-central1"',
        "project = demo",
        'project = "demo"',
        'NOT metric.labels.op = "/cart"',
        '-metric.labels.op = "/cart"',
        'NOT NOT resource.type = "generic_task"',
        '- - resource.type = "generic_task"',
        '(metric.labels.code = "404" OR metric.labels.code = "500") AND resource.type = "generic_task"',
        'resource.type = "x" OR metric.labels.code = "500" AND NOT resource.type = "y"',
        'metric.labels.absent != "x"',
        'resource.type = generic_task AND NOT metadata.user_labels.team = "x"',
        ' metric.labels.op="/checkout"\n',
    ],
)
def test_filters_that_match(text):
    assert matches(text)


@pytest.mark.parametrize(
    "text",
    [
        'metric.type = "other"',
        'metric.labels.absent = ""',
        'metric.labels.absent = starts_with("")',
        "metric.labels.absent > 1",
        "metric.labels : absent",
        'metric.labels.absent : "x"',
        'metric.type = starts_with("x")',
        'metric.type = one_of("x", "y")',
        # OR binds before AND, as the documentation of filters has it
        'resource.type = "generic_task" OR resource.type = "x" AND metric.type = "y"',
    ],
)
def test_filters_that_do_not_match(text):
    assert not matches(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "AND",
        "metric.type",
        "metric.type =",
        'metric.type "x"',
        '= "x"',
        'metric.type = "x',
        '(metric.type = "x"',
        'metric.type = "x")',
        'metric.type = "x" AND',
        'metric.type = "x" OR',
        "NOT",
        'metric.type = nonsense("x")',
        "metric.type = starts_with()",
        'metric.type = starts_with("a", "b")',
        'metric.type = starts_with("a"',
        'metric.type > starts_with("a")',
        'metric.type = monitoring.regex.full_match("(")',
        'metric.type = one_of("a" "b")',
        'metric.type = one_of("a",)',
        'metric.nonsense = "x"',
        'group.id = "x"',
        'metric. = "x"',
        'metric.labels["x" = "y"',
        'metric.labels[] = "y"',
        "metric.type = x.",
        "metric.type = (",
        "metric.type = AND",
        "metric.type == 5 = 6",
        "\x00",
        "(" * 500 + "a" + ")" * 500,
        "a" * 3000,
    ],
)
def test_what_is_no_filter_is_refused_in_words(text):
    with pytest.raises(RpcError, match="INVALID_ARGUMENT: Field filter had an invalid value of"):
        matches(text)


pieces = st.sampled_from(
    [
        *(
            "metric.type",
            "metric.labels.op",
            "resource.type",
            "=",
            "!=",
            ":",
            ">",
            "(",
            ")",
            "AND",
            "OR",
            "NOT",
            "-",
        ),
        *(
            '"x"',
            "'y'",
            "one_of",
            "starts_with",
            "monitoring.regex.full_match",
            ",",
            "[",
            "]",
            ".",
            "5",
            '"',
            "\\",
            "ü",
        ),
    ]
)


@settings(max_examples=300)
@given(st.one_of(st.text(), st.lists(pieces).map(" ".join), st.lists(pieces).map("".join)))
def test_any_text_is_a_filter_or_an_invalid_argument(text):
    outcome: bool | RpcError
    try:
        outcome = matches(text)
    except RpcError as error:
        outcome = error
    if isinstance(outcome, RpcError):
        assert outcome.code == "INVALID_ARGUMENT"
        assert len(outcome.message) < 1000


@given(st.text(min_size=1))
def test_a_quoted_value_is_compared_as_it_is(value):
    series = SimpleNamespace(**{**vars(SERIES), "metric_labels": {"op": value}})
    quoted = re.sub(r'(["\\])', r"\\\1", value)
    if len(quoted) < 1900:
        assert compile_filter(f'metric.labels.op = "{quoted}"', series_field).matches(series)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('metric.type = "a"', {"a"}),
        ('metric.type = one_of("a", "b")', {"a", "b"}),
        ('metric.type = "a" AND metric.labels.x = "y"', {"a"}),
        ('metric.type = "a" OR metric.type = "b"', {"a", "b"}),
        ('metric.type = one_of("a", "b") AND metric.type = one_of("b", "c")', {"b"}),
        ('metric.type = "a" OR resource.type = "b"', None),
        ('metric.type != "a"', None),
        ('NOT metric.type = "a"', None),
        ('metric.type = starts_with("a")', None),
        ('resource.type = "a"', None),
    ],
)
def test_the_values_that_a_filter_leaves_possible(text, expected):
    found = compile_filter(text, series_field).pinned(("metric", "type"))
    assert found == (None if expected is None else frozenset(expected))
