"""Settings of the OTLP sink, and how OpenTelemetry's own variables become settings.

OpenTelemetry's variables may be there for somebody else: what we can not read of them is said and ignored,
as its specification wants, and never an error.

Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/ and
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal
from urllib.parse import unquote, urlsplit

from .section import Positive, Section

LEAST_INTERVAL_S = 5.0
"""Of ``monitoring.write_interval_s``."""


class OtlpSection(Section, frozen=True, kw_only=True):
    """Where the sink `otlp` sends metrics, over HTTP as protobuf.

    Args:
        endpoint: URL of a collector without a path; ``/v1/metrics`` is added. Empty means Google's Telemetry
            API, with application default credentials.
        metrics_endpoint: the whole URL for metrics, instead of ``endpoint``.
        headers: sent with every request, ``key=value`` pairs with commas between them, values
            percent-encoded. They often hold a key: set them by variable, not in a file.
        protocol: only ``http/protobuf`` is spoken.
        timeout_s: of one request.
        compression: ``gzip`` makes requests about a tenth as large, for some CPU time.
        service_name: ``service.name`` where the monitor was given no service.
        resource_attributes: of every metric, ``key=value`` pairs as in ``headers``; they win over our own.
        disabled: ``monitoring.sink: otlp`` then sends nothing.
    """

    NAME: ClassVar[str] = "otlp"

    endpoint: str | None = None
    metrics_endpoint: str | None = None
    headers: str = ""
    protocol: str = "http/protobuf"
    timeout_s: Positive = 10.0
    compression: Literal["gzip", "none"] = "gzip"
    service_name: str | None = None
    resource_attributes: str = ""
    disabled: bool = False


VARIABLES = {
    "OTEL_SERVICE_NAME": "otlp.service_name",
    "OTEL_RESOURCE_ATTRIBUTES": "otlp.resource_attributes",
    "OTEL_SDK_DISABLED": "otlp.disabled",
    "OTEL_METRIC_EXPORT_INTERVAL": "monitoring.write_interval_s",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "otlp.endpoint",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "otlp.metrics_endpoint",
    "OTEL_EXPORTER_OTLP_HEADERS": "otlp.headers",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "otlp.headers",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "otlp.protocol",
    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "otlp.protocol",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "otlp.timeout_s",
    "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "otlp.timeout_s",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "otlp.compression",
    "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION": "otlp.compression",
}
"""Variable to setting; the one for metrics wins over the one for every signal."""


def from_otel(variable: str, text: str) -> Any:
    """The setting's value of one of ``VARIABLES``; None, and a line in the log, where the text makes none."""
    convert = _CONVERSIONS.get(variable.replace("_METRICS_", "_") if "OTLP" in variable else variable, str)
    try:
        return convert(text.strip())
    except ValueError as error:
        import logging  # a third of a cold start's import, for what most processes never say

        shown = "" if "HEADERS" in variable else f" is {text!r:.80}"  # headers hold keys
        logging.getLogger(__name__).warning("$%s%s and is ignored: %s", variable, shown, error)
        return None


def pairs(text: str) -> dict[str, str]:
    """``a=1,b=2`` as a mapping; the values are percent-decoded.

    Raises:
        ValueError: a part has no key or no ``=``.
    """
    found = {}
    for part in text.split(","):
        if not part.strip():
            continue
        key, equals, value = part.partition("=")
        if not key.strip() or not equals:
            raise ValueError("it must be key=value pairs with commas between them")
        found[unquote(key.strip())] = unquote(value.strip())
    return found


def _pairs(text: str) -> str:
    pairs(text)
    return text


def _seconds(text: str) -> float:
    milliseconds = float(text)
    if not 0 < milliseconds < 1e9:
        raise ValueError("it must be milliseconds above 0")
    return milliseconds / 1000


def _interval(text: str) -> float:
    return max(_seconds(text), LEAST_INTERVAL_S)


def _boolean(text: str) -> bool:
    return text.lower() == "true"  # every other text means false, says the specification


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("it must be a URL such as http://localhost:4318")
    return text


def _compression(text: str) -> str:
    if text not in {"gzip", "none"}:
        raise ValueError("known are gzip and none")
    return text


_CONVERSIONS: dict[str, Callable[[str], Any]] = {
    "OTEL_RESOURCE_ATTRIBUTES": _pairs,
    "OTEL_SDK_DISABLED": _boolean,
    "OTEL_METRIC_EXPORT_INTERVAL": _interval,
    "OTEL_EXPORTER_OTLP_ENDPOINT": _url,
    "OTEL_EXPORTER_OTLP_HEADERS": _pairs,
    "OTEL_EXPORTER_OTLP_TIMEOUT": _seconds,
    "OTEL_EXPORTER_OTLP_COMPRESSION": _compression,
}
