"""OpenTelemetry's own variables: what is taken over, and that a wrong one is nobody's error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance import config
from genesis_performance.config.otlp import pairs


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "URL"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "nowhere", "URL"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "float"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-1", "milliseconds"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a", "key=value"),
    ],
)
def test_a_value_that_can_not_be_is_said_and_ignored(
    variable: str, text: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = config.load(environ={variable: text})
    assert loaded == config.load(environ={})
    (record,) = caplog.records
    assert variable in record.getMessage()
    assert said in record.getMessage()


def test_headers_that_can_not_be_read_are_not_quoted(caplog: pytest.LogCaptureFixture) -> None:
    config.load(environ={"OTEL_EXPORTER_OTLP_HEADERS": "hidden"})
    assert "OTEL_EXPORTER_OTLP_HEADERS" in caplog.text
    assert "hidden" not in caplog.text


@pytest.mark.parametrize("what", ["TIMEOUT", "HEADERS", "COMPRESSION", "PROTOCOL"])
def test_the_variable_for_metrics_wins_without_a_word(what: str, caplog: pytest.LogCaptureFixture) -> None:
    samples = {
        "TIMEOUT": ("1000", "2000", 2.0),
        "HEADERS": ("a=1", "a=2", "a=2"),
        "COMPRESSION": ("none", "gzip", "gzip"),
        "PROTOCOL": ("grpc", "http/protobuf", "http/protobuf"),
    }
    general, own, expected = samples[what]
    loaded = config.load(
        environ={f"OTEL_EXPORTER_OTLP_METRICS_{what}": own, f"OTEL_EXPORTER_OTLP_{what}": general}
    )
    assert expected in (
        loaded.otlp.timeout_s,
        loaded.otlp.headers,
        loaded.otlp.compression,
        loaded.otlp.protocol,
    )
    assert not caplog.records


def test_an_interval_below_ours_is_the_least_that_google_takes() -> None:
    assert config.load(environ={"OTEL_METRIC_EXPORT_INTERVAL": "1000"}).monitoring.write_interval_s == 5


@pytest.mark.parametrize(
    ("text", "disabled"), [("TRUE", True), ("false", False), ("1", False), ("yes", False)]
)
def test_only_true_disables(text: str, disabled: bool) -> None:
    assert config.load(environ={"OTEL_SDK_DISABLED": text}).otlp.disabled is disabled


plain = st.text(st.characters(blacklist_characters=",=%", blacklist_categories=("Z", "C")), min_size=1)


@given(st.dictionaries(plain, plain, max_size=4))
def test_pairs_are_read_as_they_were_written(found: dict[str, str]) -> None:
    assert pairs(",".join(f" {key} = {value} " for key, value in found.items())) == found


def test_values_are_percent_decoded() -> None:
    assert pairs("authorization=Bearer%20x%2Cy,empty=") == {"authorization": "Bearer x,y", "empty": ""}
