# ruff: noqa: E501  (one rule a row)
"""Every rule that the emulated Cloud Monitoring enforces or assumes, with where it is known from.

``kind`` is how sure we are: "documented" (the client's or the service's documentation says so), "issue text" (an issue
thread quotes the real service), "unverified" (our best reading; the fidelity check should look here first).
"""

from __future__ import annotations

from typing import NamedTuple

DOCUMENTED = "documented"
ISSUE_TEXT = "issue text"
UNVERIFIED = "unverified"

_QUOTAS = "https://cloud.google.com/monitoring/quotas"
_INTERVAL = "google-cloud-monitoring, TimeInterval"
_SERIES = "google-cloud-monitoring, TimeSeries"
_DISTRIBUTION = "google/api/distribution.proto"
_DESCRIPTORS = "REST reference, projects.metricDescriptors"
_KINDS = "https://cloud.google.com/monitoring/api/v3/kinds-and-types"
_LIST = "google-cloud-monitoring, ListTimeSeriesRequest"
_FILTERS = "https://cloud.google.com/monitoring/api/v3/filters"
_AGGREGATION = "google-cloud-monitoring, Aggregation"
_POLICY = "google-cloud-monitoring, AlertPolicy"
_SORTING = "https://cloud.google.com/monitoring/api/v3/sorting-and-filtering"
_BEHAVIOUR = "https://cloud.google.com/monitoring/alerts/concepts-indepth"
_ABSENCE = "https://docs.cloud.google.com/monitoring/alerts/metric-absence"
_ALERTS = "https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alerts"
_OURS = "our reading"


class Rule(NamedTuple):
    """One thing that the emulator does because the real service is known, or thought, to do it."""

    id: str
    text: str
    source: str
    kind: str


# fmt: off
_WRITES = (
    Rule("series/per-call", "At most 200 TimeSeries in a CreateTimeSeries call.", "weaver-gke#142", ISSUE_TEXT),
    Rule("series/not-empty", "A CreateTimeSeries call has at least one series.", _SERIES, UNVERIFIED),
    Rule("series/one-point", "A written series has exactly one point.", _SERIES, DOCUMENTED),
    Rule("series/duplicate", "A series occurs once in a call; later ones are refused.", "opentelemetry-operations-python#255", ISSUE_TEXT),
    Rule("series/partial", "Good series of a failed call are written; the details hold a CreateTimeSeriesSummary.", "opentelemetry-collector-contrib#31507", ISSUE_TEXT),
    Rule("series/partial-codes", "In the summary, points refused by their form have code 3, by what is stored code 9.", "opentelemetry-collector-contrib#31507, telegraf#13725", ISSUE_TEXT),
    Rule("series/spacing", "Points of a series end at least 5 s apart.", _QUOTAS, DOCUMENTED),
    Rule("series/spacing-text", "One or more points were written more frequently than the maximum sampling period configured for the metric.", "opentelemetry-operations-python#431", ISSUE_TEXT),
    Rule("series/order", "A point ends after every other point of its series.", _SERIES, DOCUMENTED),
    Rule("series/order-text", "Points must be written in order. One or more of the points specified had an older end time than the most recent point.", "opentelemetry-operations-js#62", ISSUE_TEXT),
    Rule("series/past", "A point ends at most 25 h in the past (the real service says 25h10s).", f"{_INTERVAL}; telegraf#13826", DOCUMENTED),
    Rule("series/future", "A point ends at most 5 minutes in the future; the sentence is ours.", _INTERVAL, DOCUMENTED),
    Rule("series/gauge-interval", "A GAUGE point has no start time, or one equal to its end time; the sentence is ours.", _INTERVAL, DOCUMENTED),
    Rule("series/non-gauge-interval", "Other points start before they end: The start time must be before the end time (...) for the non-gauge metric.", f"{_INTERVAL}; stackdriver-prometheus-sidecar#251", ISSUE_TEXT),
    Rule("series/cumulative-reset", "A CUMULATIVE point keeps its start time, or starts at least 1 ms after the end of the one before.", _INTERVAL, DOCUMENTED),
    Rule("series/delta-overlap", "A DELTA point starts at least 1 ms after the end of the one before.", _INTERVAL, DOCUMENTED),
    Rule("series/start-order-text", "... had an older start time than the most recent point.", "opentelemetry-operations-java#247", ISSUE_TEXT),
    Rule("series/value-type", "Value type for metric X must be INT64, but is DOUBLE.", "micrometer#2160", ISSUE_TEXT),
    Rule("series/metric-kind", "Metric kind for metric X must be GAUGE, but is CUMULATIVE.", "stackdriver-prometheus-sidecar#86", ISSUE_TEXT),
    Rule("series/declared-type", "A series' value_type, where given, is the type of its point.", _SERIES, DOCUMENTED),
    Rule("series/finite", "Numbers are finite: NaN and infinities are refused.", _OURS, UNVERIFIED),
    Rule("series/active", "200,000 active series (24 h) for each monitored resource, 1,000,000 for Prometheus; on global, for each metric. Monitored resource has too many time series (custom metrics). RESOURCE_EXHAUSTED; the code 8 in the summary is ours.", f"{_QUOTAS}; opentelemetry-collector-contrib#36502", ISSUE_TEXT),
    Rule("series/retention", "Points are kept for 26 h.", _OURS, UNVERIFIED),
    Rule("series/service", "CreateServiceTimeSeries is not emulated.", _OURS, UNVERIFIED),
    Rule("distribution/count", "The bucket counts sum up to the count.", _DISTRIBUTION, DOCUMENTED),
    Rule("distribution/bounds", "Explicit bounds: at least one (Distribution |explicit_buckets.bounds| does not have at least one entry), strictly increasing.", "opentelemetry-collector-contrib#34250", ISSUE_TEXT),
    Rule("distribution/computed", "Linear and exponential buckets: number > 0, width > 0, growth > 1, scale > 0.", _DISTRIBUTION, DOCUMENTED),
    Rule("distribution/buckets", "At most 200 buckets, underflow and overflow among them.", _QUOTAS, DOCUMENTED),
    Rule("distribution/empty", "With count 0, mean and deviation are 0 and there is no range.", _DISTRIBUTION, DOCUMENTED),
    Rule("distribution/finite", "Mean, deviation, bounds and range are finite.", _OURS, UNVERIFIED),
)

_METRICS = (
    Rule("metric/type", "The metric type must be a URL-formatted string with a domain and non-empty path: [a-zA-Z0-9_./-], at most 200 characters.", "stackdriver-prometheus-sidecar#255; naming rules", ISSUE_TEXT),
    Rule("metric/domain", "User-defined types begin with custom., external., workload. or prometheus.googleapis.com.", _DESCRIPTORS, DOCUMENTED),
    Rule("metric/prometheus-colon", "prometheus.googleapis.com types may hold colons.", "telegraf#13725", ISSUE_TEXT),
    Rule("metric/label-key", "Label keys: [a-zA-Z][a-zA-Z0-9_]*, at most 100 characters.", _QUOTAS, DOCUMENTED),
    Rule("metric/label-value", "Label values: at most 1024 characters.", _QUOTAS, DOCUMENTED),
    Rule("metric/labels", "30 labels for each descriptor, 200 for Prometheus.", _QUOTAS, DOCUMENTED),
    Rule("metric/new-labels", "Labels that the descriptor lacks are added by a write: The new labels would cause the metric X to have over 30 labels.", "prometheus-engine#493", ISSUE_TEXT),
    Rule("metric/auto-create", "A first write creates the descriptor: GAUGE or CUMULATIVE; BOOL, INT64, DOUBLE or DISTRIBUTION.", _SERIES, DOCUMENTED),
    Rule("metric/auto-description", "Auto-created custom metric.", "exposure-notifications-verification-server#1064", ISSUE_TEXT),
    Rule("metric/update", "Creating an existing descriptor updates it; labels are never removed.", _DESCRIPTORS, DOCUMENTED),
    Rule("metric/conflict", "An existing descriptor keeps its metric kind and value type; the sentence follows micrometer#2160.", _DESCRIPTORS, UNVERIFIED),
    Rule("metric/combination", "BOOL and STRING only with GAUGE.", "google/api/metric.proto", DOCUMENTED),
    Rule("metric/custom-combination", "custom.googleapis.com takes neither DELTA nor STRING.", _KINDS, DOCUMENTED),
    Rule("metric/label-type", "Labels of workload, external and prometheus metrics are strings; custom ones may be BOOL or INT64.", "opentelemetry-operations-java#159", ISSUE_TEXT),
    Rule("metric/quota", "10,000 custom descriptors; 25,000 workload, external and Prometheus ones. Your metric descriptor quota has been exhausted: Limit for X is N. RESOURCE_EXHAUSTED; that the other points of a call are written is ours.", f"{_QUOTAS}; prometheus-engine#542, telegraf#7259", ISSUE_TEXT),
    Rule("metric/delete", "Only user-defined descriptors can be deleted; their data goes with them.", _DESCRIPTORS, DOCUMENTED),
    Rule("metric/not-found", "Could not find descriptor for metric 'X'.", _OURS, UNVERIFIED),
    Rule("resource/unknown", "Unrecognized resource type: X.", "opentelemetry-operations-java#46", ISSUE_TEXT),
    Rule("resource/writable", "Metrics cannot be written to cloud_run_revision. (Which other types are refused is a table of ours.)", "opentelemetry-operations-java#248", ISSUE_TEXT),
    Rule("resource/labels", "The set of resource labels is incomplete. Missing labels: (namespace task_id).", "opentelemetry-operations-java#139", ISSUE_TEXT),
    Rule("resource/unknown-label", "Unrecognized resource label: X", "opencensus-go-exporter-stackdriver#92", ISSUE_TEXT),
    Rule("resource/location", "Unrecognized region or location. (Only the shape is checked: region, zone, multi-region or global.)", "stackdriver-prometheus-sidecar#251", ISSUE_TEXT),
    Rule("resource/project", "The label project_id is filled in by the service; that it replaces what was written is ours.", "google-cloud-python#2057", ISSUE_TEXT),
)

_READS = (
    Rule("list/one-metric", "The filter names exactly one metric type; the sentence is ours.", _LIST, DOCUMENTED),
    Rule("list/unknown-metric", "A user-defined metric without a descriptor is NOT_FOUND; Google's own metrics are simply empty.", "terraform-provider-google#11102, for policies", UNVERIFIED),
    Rule("list/interval", "Reads take (start, end]; the start is required and before the end.", _INTERVAL, DOCUMENTED),
    Rule("list/order", "Points come newest first; order_by must be empty.", _LIST, DOCUMENTED),
    Rule("list/page", "At most 100,000 points (FULL) or series (HEADERS) a page.", _LIST, DOCUMENTED),
    Rule("list/page-whole", "A page splits a series only when it has more points than a page.", _OURS, UNVERIFIED),
    Rule("list/selectors", "select_slo_... selectors are not emulated in reads.", _OURS, UNVERIFIED),
    Rule("filter/language", "Comparisons, AND, OR, NOT, parentheses, and the functions starts_with, ends_with, has_substring, one_of, monitoring.regex.full_match.", _FILTERS, DOCUMENTED),
    Rule("filter/precedence", "NOT binds before OR, and OR before AND.", _FILTERS, UNVERIFIED),
    Rule("filter/length", "A filter has at most 2048 characters (documented for conditions).", _POLICY, DOCUMENTED),
    Rule("filter/regex", "Regular expressions are Python's, not RE2.", _OURS, UNVERIFIED),
    Rule("align/period", "The alignment period is at least 60 s, and required with an aligner.", _AGGREGATION, DOCUMENTED),
    Rule("align/windows", "Periods end at the end of the interval and step back from it; the first may reach back before its start.", _AGGREGATION, UNVERIFIED),
    Rule("align/valid", "The aligner cannot be applied to metrics with kind CUMULATIVE and value type INT64.", "slo-generator#231, grafana#22634", ISSUE_TEXT),
    Rule("align/percentile", "ALIGN_PERCENTILE_* takes distributions of kind GAUGE and DELTA, and numeric GAUGE metrics.", _AGGREGATION, DOCUMENTED),
    Rule("align/delta", "ALIGN_DELTA is y1 - y0, interpolated where a period has no point.", _AGGREGATION, DOCUMENTED),
    Rule("align/rate", "ALIGN_RATE divides the delta by the whole period.", _AGGREGATION, UNVERIFIED),
    Rule("align/kinds", "ALIGN_SUM and ALIGN_COUNT keep the metric kind.", _OURS, UNVERIFIED),
    Rule("align/others", "Aligners and reducers that are not computed answer UNIMPLEMENTED by name.", _OURS, UNVERIFIED),
    Rule("reduce/aligned", "A reducer needs an aligner other than ALIGN_NONE.", _AGGREGATION, DOCUMENTED),
    Rule("reduce/groups", "Groups have one resource type; labels not named in group_by_fields are dropped, project_id stays.", _AGGREGATION, DOCUMENTED),
    Rule("reduce/mean", "REDUCE_MEAN of distributions is the mean of all their values.", _AGGREGATION, UNVERIFIED),
    Rule("percentile/interpolation", "Percentiles of distributions are interpolated linearly within the bucket; what serves as a bound of the first and the last one is ours.", "https://cloud.google.com/monitoring/api/v3/distribution-metrics", DOCUMENTED),
    Rule("percentile/numbers", "Percentiles of numbers are interpolated between the two nearest ranks.", _OURS, UNVERIFIED),
    Rule("distribution/rebucket", "Distributions with different buckets are merged by the midpoints of their buckets.", _OURS, UNVERIFIED),
)

_POLICIES = (
    Rule("policy/name", "Cannot set 'name' when creating alert policy.", "pulumi-google-native#193", ISSUE_TEXT),
    Rule("policy/condition-name", "Conditions of a new policy have no name either.", _POLICY, DOCUMENTED),
    Rule("policy/conditions", "1 to 6 conditions.", _POLICY, DOCUMENTED),
    Rule("policy/mql-alone", "An MQL condition is the only one; the sentence is ours.", _POLICY, DOCUMENTED),
    Rule("policy/log-alone", "Alert policies with a log matching condition can only have a single condition.", "chainguard terraform-infra-common#384", ISSUE_TEXT),
    Rule("policy/log-rate-limit", "A log condition needs alert_strategy.notification_rate_limit.", _POLICY, DOCUMENTED),
    Rule("policy/combiner", "Several conditions need a combiner.", _POLICY, UNVERIFIED),
    Rule("policy/display-name", "At most 512 characters.", _POLICY, DOCUMENTED),
    Rule("policy/user-labels", "At most 64; 63 characters or 128 bytes; lowercase letters, numerals, _ and -; keys begin with a letter.", _POLICY, DOCUMENTED),
    Rule("policy/documentation", "Content 8192 characters and 10,240 bytes, subject 10,240 bytes, 3 links, text/markdown.", _POLICY, DOCUMENTED),
    Rule("policy/channels", "At most 16 notification channels.", _QUOTAS, UNVERIFIED),
    Rule("policy/channel-exists", "Channels exist (checked where the channel service is emulated).", _POLICY, UNVERIFIED),
    Rule("policy/quota", "500 policies in a project; an old version of the page says so of a Workspace.", _BEHAVIOUR, DOCUMENTED),
    Rule("policy/auto-close", "the autoclose duration should be at least 30 minutes. 7 days by default; that it is the most is ours.", "karaoke-gen#788, terraform-provider-google#10523", ISSUE_TEXT),
    Rule("policy/mask", "update_mask: listed fields are set or cleared; empty: the policy is replaced, conditions keep their id by name.", _POLICY, DOCUMENTED),
    Rule("policy/list", "filter and order_by by display_name, user_labels, documentation, enabled and others.", _SORTING, DOCUMENTED),
    Rule("condition/metric-exists", "Cannot find metric(s) that match type = X. ... up to 10 minutes (NOT_FOUND; the delay is a setting, 0 by default).", "terraform-provider-google#11102, #10325", ISSUE_TEXT),
    Rule("condition/resource-type", 'must specify a restriction on "resource.type" in the filter', "nodejs-monitoring#46", ISSUE_TEXT),
    Rule("condition/period", "alignment period must be in multiples of one minute; at most 25 h", "terraform-provider-google#10893", ISSUE_TEXT),
    Rule("condition/duration", "only multiples of 1 minute are supported", "monitoring-dashboard-samples#179", ISSUE_TEXT),
    Rule("condition/longest-duration", "Alignment period and duration are together at most 25 h; the sentence is ours.", "chainguard terraform-infra-common#783, #1022", ISSUE_TEXT),
    Rule("condition/comparison", "Only COMPARISON_GT and COMPARISON_LT.", _POLICY, DOCUMENTED),
    Rule("condition/missing-data", "Conditions setting evaluation_missing_data must have a non-zero duration.", "terraform-provider-google#16892", ISSUE_TEXT),
    Rule("condition/aligner", "Aligners are checked against the metric when the policy is written.", "exposure-notifications-verification-server#659", ISSUE_TEXT),
    Rule("condition/comparable", "The aggregated value is a number or a boolean.", _OURS, UNVERIFIED),
    Rule("condition/ratio", "Numerator and denominator use the same alignment periods.", _POLICY, DOCUMENTED),
    Rule("condition/trigger", "A count is positive, a percentage above 0 and at most 100.", _POLICY, UNVERIFIED),
    Rule("condition/absence", "An absence lasts at least 120 s and at most 23.5 h, in whole minutes.", f"{_POLICY}; {_ABSENCE}", DOCUMENTED),
    Rule("condition/promql", "Query required, duration >= 0, interval a positive multiple of 30 s, names at most 2048 characters.", _POLICY, DOCUMENTED),
    Rule("condition/forecast", "A forecast horizon is 1 to 60 hours.", _POLICY, DOCUMENTED),
    Rule("condition/stored", "Only threshold and absence conditions are evaluated; forecasts, SLO selectors and the other kinds are stored.", _OURS, UNVERIFIED),
)

_EVALUATION = (
    Rule("alert/window", "The alignment period slides with the time of evaluation and looks back from it.", _BEHAVIOUR, DOCUMENTED),
    Rule("alert/cadence", "Evaluated within 5 s instead of about once a minute, without ingestion delay.", _OURS, UNVERIFIED),
    Rule("alert/duration", "A condition is met when every window of the duration violates it.", _BEHAVIOUR, DOCUMENTED),
    Rule("alert/missing-data", "NO_OP keeps an alert, INACTIVE closes it, ACTIVE counts as a violation.", _POLICY, DOCUMENTED),
    Rule("alert/absence", "An absence opens when a series that had data while the policy was there has had none for the duration; that data closes it is ours.", _ABSENCE, DOCUMENTED),
    Rule("alert/one-a-series", "One alert for each policy, condition and series; closed when the condition is no longer met.", _BEHAVIOUR, DOCUMENTED),
    Rule("alert/ratio-zero", "A ratio with a denominator of 0, or of which one side is missing, has no value.", _OURS, UNVERIFIED),
    Rule("alert/disabled", "Disabling or deleting a policy, or removing the condition, closes its alerts.", _OURS, UNVERIFIED),
    Rule("alert/raw", "Without an aligner the newest point counts, for 2 minutes.", _OURS, UNVERIFIED),
    Rule("alert/shape", "name, state, openTime, closeTime, resource, metadata, metric, log, policy.", _ALERTS, DOCUMENTED),
    Rule("alert/list", "filter on any field, order_by open_time and close_time with desc, at most 1000 a page.", _ALERTS, DOCUMENTED),
)
# fmt: on

RULES: tuple[Rule, ...] = (*_WRITES, *_METRICS, *_READS, *_POLICIES, *_EVALUATION)
