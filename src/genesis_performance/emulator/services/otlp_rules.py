# ruff: noqa: E501  (one rule a row)
"""Every rule of the emulated Telemetry API for metrics, with where it is known from and how sure we are."""

from __future__ import annotations

from ..monitoring.rules import DOCUMENTED, ISSUE_TEXT, UNVERIFIED, Rule

_REFERENCE = "https://docs.cloud.google.com/stackdriver/docs/reference/telemetry/v1.metrics"
_OVERVIEW = "https://docs.cloud.google.com/stackdriver/docs/otlp-metrics/overview"
_MIGRATION = "opentelemetry-operations-python, MIGRATION.md"
_OTLP = "https://opentelemetry.io/docs/specs/otlp/"
_PROTO = "opentelemetry-proto, metrics.proto"
_GOFR = "gofr-dev/gofr#4113"
_LIMITS = "https://docs.cloud.google.com/stackdriver/quotas"
_PRICES = "https://cloud.google.com/stackdriver/pricing"
_OURS = "our reading"

# fmt: off
RULES = (
    Rule("otlp/encodings", "POST /v1/metrics as application/x-protobuf or application/json, gzip or not, and gRPC; anything else is 415. The answer has the request's encoding, errors are a google.rpc.Status.", f"{_OVERVIEW}; {_OTLP}", DOCUMENTED),
    Rule("otlp/size", "A request has at most 64 MiB, unpacked; more is 413. The real limit is not known.", _OTLP, UNVERIFIED),
    Rule("otlp/points", "A maximum of 200 points can be written in a single request. The whole request is refused.", f"{_LIMITS}; gofr-dev/gofr#4266", ISSUE_TEXT),
    Rule("otlp/resources", "At most 200 ResourceMetrics in a request; the sentence is ours.", _LIMITS, DOCUMENTED),
    Rule("otlp/quantiles", "At most 10 quantiles of a summary; that the point is rejected, and the sentence, are ours.", _LIMITS, DOCUMENTED),
    Rule("otlp/rate", "The quota of 60,000 requests a minute and region is not enforced; plant RESOURCE_EXHAUSTED instead.", _LIMITS, DOCUMENTED),
    Rule("otlp/project", "Every resource has the attribute gcp.project_id, else the whole request is 400; the sentence is ours.", "code comments of production clients", ISSUE_TEXT),
    Rule("otlp/partial", "Points are judged one by one; the rejected are counted in partial_success of a 200. The sentences are ours.", f"{_REFERENCE}.post; {_GOFR}", DOCUMENTED),
    Rule("otlp/location", "location: location, cloud.availability_zone, cloud.region; without any the point is rejected.", f"{_REFERENCE}; {_GOFR}", ISSUE_TEXT),
    Rule("otlp/cluster", "cluster: cluster, k8s.cluster.name, or __gce__ and __run__ by cloud.platform.", _REFERENCE, DOCUMENTED),
    Rule("otlp/namespace", "namespace: namespace, k8s.namespace.name, service.namespace.", _REFERENCE, DOCUMENTED),
    Rule("otlp/job", "job: job, service.namespace/service.name, service.name.", _REFERENCE, DOCUMENTED),
    Rule("otlp/job-fallback", "An unknown_service comes after faas.name, k8s.deployment.name and k8s.container.name.", _REFERENCE, UNVERIFIED),
    Rule("otlp/instance", "instance: instance, service.instance.id, faas.instance, k8s.pod.name:k8s.container.name, k8s.pod.name, host.id; without any the point is rejected.", _GOFR, ISSUE_TEXT),
    Rule("otlp/name", "Metric names match [a-zA-Z][a-zA-Z0-9_:./]*.", _OVERVIEW, DOCUMENTED),
    Rule("otlp/label-key", "Label keys match [a-zA-Z_][a-zA-Z0-9_.]*; a point with another is rejected.", _OVERVIEW, DOCUMENTED),
    Rule("otlp/label-value", "Label values have at most 1024 characters, as the limits of Cloud Monitoring apply too; that empty ones are left out is ours.", _LIMITS, DOCUMENTED),
    Rule("otlp/scope", "otel_scope_name and otel_scope_version are labels where they are not empty.", "opentelemetry-operations-go, googlemanagedprometheus", DOCUMENTED),
    Rule("otlp/type", "The type is prometheus.googleapis.com/NAME/SUFFIX; dots stay, no unit and no _total is added.", _MIGRATION, DOCUMENTED),
    Rule("otlp/other-domains", "A name that begins with workload.googleapis.com/ or custom.googleapis.com/ is the type, without a suffix.", _MIGRATION, UNVERIFIED),
    Rule("otlp/double", "Every number is stored as DOUBLE.", _MIGRATION, DOCUMENTED),
    Rule("otlp/gauge", "Gauges and non-monotonic cumulative sums: /gauge, GAUGE.", _MIGRATION, DOCUMENTED),
    Rule("otlp/counter", "Monotonic cumulative sums: /counter, CUMULATIVE.", _MIGRATION, DOCUMENTED),
    Rule("otlp/delta", "Monotonic delta sums: /delta, DELTA; non-monotonic ones are rejected.", _MIGRATION, DOCUMENTED),
    Rule("otlp/histogram", "Histograms: /histogram, CUMULATIVE, or /histogram:delta, DELTA; the deviation is made of the middles of the buckets.", _MIGRATION, DOCUMENTED),
    Rule("otlp/exponential", "Exponential histograms likewise; zeros and negative values are in the first bucket.", _REFERENCE, UNVERIFIED),
    Rule("otlp/buckets", "At most 200 buckets, as the limits of Cloud Monitoring apply too.", _LIMITS, DOCUMENTED),
    Rule("otlp/summary", "Summaries: NAME_count/summary, NAME_sum/summary:counter, NAME/summary with the label quantile.", _REFERENCE, UNVERIFIED),
    Rule("otlp/temporality", "Sums and histograms have an aggregation temporality.", _PROTO, UNVERIFIED),
    Rule("otlp/counts", "A count is at most 2^63 - 1, which is all that a Distribution holds; the sentence is ours.", "google/api/distribution.proto", DOCUMENTED),
    Rule("otlp/duplicate-key", "Of several attributes with one key, which the protocol forbids, the last one counts.", _OURS, UNVERIFIED),
    Rule("otlp/no-value", "A point flagged as having no recorded value is taken and not stored.", _PROTO, UNVERIFIED),
    Rule("otlp/start", "Cumulative and delta points have a start time before their time.", _OURS, UNVERIFIED),
    Rule("otlp/times", "A point is at most 25 h old and 5 minutes ahead, and ends 5 s after the one before, as in CreateTimeSeries.", _OURS, UNVERIFIED),
    Rule("otlp/target-info", "target_info/gauge, 1, for each resource, labelled with the attributes that do not identify it.", _MIGRATION, DOCUMENTED),
    Rule("otlp/samples", "A histogram is billed as 2 samples and one for each bucket that is not empty, anything else as one; GET /control/ingested counts them.", _PRICES, UNVERIFIED),
)
# fmt: on
