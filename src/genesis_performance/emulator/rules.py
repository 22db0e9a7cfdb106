# ruff: noqa: E501  (one rule a row)
"""Every rule that the emulator enforces, with its source and how sure we are: documentation, issue text, neither.

The rows of Cloud Monitoring's metrics and alert policies stand beside that code. ``./run docs`` writes
the whole table to ``docs/emulator-rules.md``; the fidelity checks name the rules they prove. "The sentence is ours"
means that the rule is known and the words that refuse are not.
"""

from __future__ import annotations

from .monitoring import rules as monitoring
from .monitoring.rules import DOCUMENTED, ISSUE_TEXT, UNVERIFIED, Rule
from .services import otlp_rules

_SECRET = "google-cloud-secret-manager, Secret"
_VERSION = "google-cloud-secret-manager, SecretVersion"
_ETAGS = "https://cloud.google.com/secret-manager/docs/etags"
_QUOTAS = "https://cloud.google.com/secret-manager/quotas"
_DELAY = "https://cloud.google.com/secret-manager/docs/delay-destruction-of-secret-versions"
_NOTICES = "https://cloud.google.com/secret-manager/docs/event-notifications"
_TOPIC = "google-cloud-pubsub, Topic"
_SUBSCRIPTION = "google-cloud-pubsub, Subscription"
_CHANNEL = "google-cloud-monitoring, NotificationChannel"
_CHANNEL_TYPES = "https://cloud.google.com/monitoring/alerts/using-channels-api"
_SERVICE = "google-cloud-monitoring, Service"
_SLO = "google-cloud-monitoring, ServiceLevelObjective"
_SLI = "google-cloud-monitoring, ServiceLevelIndicator"
_DASHBOARD = "google-cloud-monitoring-dashboards, Dashboard"
_BUDGET = "google-cloud-billing-budgets, Budget"
_BILLING = "google-cloud-billing, CloudBilling"
_PROFILER = "google/devtools/cloudprofiler/v2/profiler.proto"
_PROFILES = "https://cloud.google.com/profiler/docs/reference/v2/rest/v2/projects.profiles"
_AIP = "https://google.aip.dev"
_OURS = "our reading"

# fmt: off
_SECRETS = (
    Rule("secret/id", "Secret ids match [a-zA-Z0-9_-]{1,255}.", "google-cloud-secret-manager, CreateSecretRequest", DOCUMENTED),
    Rule("secret/name-form", "The provided Secret ID [...] does not match the expected format [projects/*/secrets/*/versions/*]", "professional-services-data-validator#1332", ISSUE_TEXT),
    Rule("secret/no-project", "A name without a project: Invalid resource field value in the request, with reason RESOURCE_PROJECT_INVALID.", "cal-itp/data-infra#3937", ISSUE_TEXT),
    Rule("secret/project-number", "Names are answered with the project's number; the emulator derives it from the id.", "nodejs-secret-manager#74", ISSUE_TEXT),
    Rule("secret/regional", "Regional secrets live apart from global ones; both are served on one endpoint here, the real ones need the regional endpoint.", "google-cloud-python#13389", ISSUE_TEXT),
    Rule("secret/replication", "A global secret needs a replication policy, which never changes; the sentence is ours.", _SECRET, DOCUMENTED),
    Rule("secret/regional-replication", "A regional secret has no replication policy.", _OURS, UNVERIFIED),
    Rule("secret/exists", "Secret [...] already exists.", _OURS, UNVERIFIED),
    Rule("secret/not-found", "Secret [...] not found.", _OURS, UNVERIFIED),
    Rule("secret/labels", "At most 64 labels; keys 1 to 63 characters of [\\p{Ll}\\p{Lo}\\p{N}_-] beginning with a letter, values up to 63, 128 bytes.", _SECRET, DOCUMENTED),
    Rule("secret/annotations", "Annotation keys up to 63 characters, alphanumeric at both ends; less than 16 KiB in all.", _SECRET, DOCUMENTED),
    Rule("secret/topics", "At most 10 topics, named projects/*/topics/*.", _SECRET, DOCUMENTED),
    Rule("secret/rotation", "Rotation needs topics, a period of 3600 s to 100 years and a next time 300 s to 100 years ahead; the sentences are ours.", "google-cloud-secret-manager, Rotation", DOCUMENTED),
    Rule("secret/rotation-moves", "When a rotation is due the next time moves on by whole periods; without a period it is taken out.", _OURS, UNVERIFIED),
    Rule("secret/notices", "Changes of a secret and its versions are published to its topics: SECRET_CREATE, _UPDATE, _DELETE, SECRET_VERSION_ADD, _ENABLE, _DISABLE, _DESTROY, _DESTROY_SCHEDULED, SECRET_ROTATE. Get, List and Access publish nothing.", _NOTICES, DOCUMENTED),
    Rule("secret/notice-attributes", "eventType, dataFormat JSON_API_V1, secretId (full name), timestamp, and for versions versionId (full name).", _NOTICES, DOCUMENTED),
    Rule("secret/notice-data", "The data is the Secret or SecretVersion in proto3 JSON; a payload is in none.", _NOTICES, DOCUMENTED),
    Rule("secret/notice-project", "secretId and versionId have the project's number, as names in answers do.", _OURS, UNVERIFIED),
    Rule("secret/notice-delete-type", "SECRET_DELETE has deleteType REQUESTED or EXPIRATION, and the secret as it was.", _OURS, UNVERIFIED),
    Rule("secret/topic-configured", "A secret that gets topics first publishes TOPIC_CONFIGURED to all of them, with no data and no other attribute.", _NOTICES, DOCUMENTED),
    Rule("secret/topic-exists", "Topics that are set have to exist (FAILED_PRECONDITION; the sentence and the code are ours); to one deleted later nothing is published.", _OURS, UNVERIFIED),
    Rule("secret/rotate-notice", "SECRET_ROTATE is published when next_rotation_time passes; no version is added. Several periods that pass in one step of the emulator's clock make one notice.", "google-cloud-secret-manager, Rotation", DOCUMENTED),
    Rule("secret/expiry", "ttl or expire_time, in the future; ttl is not answered. An expired secret is gone.", _SECRET, DOCUMENTED),
    Rule("secret/aliases", "At most 50 version aliases: [a-zA-Z][a-zA-Z0-9_-]{0,62}, not latest or NEW.", _SECRET, DOCUMENTED),
    Rule("secret/alias-target", "An alias names a version that exists.", _OURS, UNVERIFIED),
    Rule("secret/etag", "An etag that is given and not current: FAILED_PRECONDITION; the sentence is ours. Every change makes a new one, of the secret or the version alone.", _ETAGS, DOCUMENTED),
    Rule("secret/mask", "UpdateSecret needs an update_mask with fields that can change.", "google-cloud-secret-manager, UpdateSecretRequest", DOCUMENTED),
    Rule("secret/list", "Newest first, at most 25,000 a page, total_size 0 with a filter.", "google-cloud-secret-manager, ListSecretsRequest", DOCUMENTED),
    Rule("secret/filter", "AIP-160 filters: comparisons, has, AND, OR, NOT, parentheses.", f"{_AIP}/160", DOCUMENTED),
    Rule("secret/payload", "A payload has at most 65,536 bytes; the sentence is ours.", _QUOTAS, DOCUMENTED),
    Rule("secret/empty-payload", "Secret Payload cannot be empty.", _OURS, UNVERIFIED),
    Rule("secret/crc32c", "data_crc32c is verified on AddSecretVersion and always answered on AccessSecretVersion; the sentence is ours.", "google-cloud-secret-manager, SecretPayload", DOCUMENTED),
    Rule("secret/version-ids", "Versions count from 1.", _VERSION, DOCUMENTED),
    Rule("secret/version-not-found", "Secret Version [...] not found.", _OURS, UNVERIFIED),
    Rule("secret/no-versions", "Secret [...] not found or has no versions.", "gcloud secrets versions access, as quoted in public repositories", ISSUE_TEXT),
    Rule("secret/latest", "latest is the newest version; if it is disabled or destroyed the access fails.", "get-secretmanager-secrets#268, external-secrets#4042", ISSUE_TEXT),
    Rule("secret/state-text", "Secret Version [...] is in DISABLED state. (or DESTROYED), FAILED_PRECONDITION", "external-secrets#4042", ISSUE_TEXT),
    Rule("secret/destroyed", "DESTROYED is terminal: the payload is gone.", _VERSION, DOCUMENTED),
    Rule("secret/destroy-delay", "With version_destroy_ttl a destroyed version is DISABLED first and can be enabled again.", _DELAY, DOCUMENTED),
    Rule("secret/destroy-delay-range", "version_destroy_ttl is 1 to 1000 days.", _OURS, UNVERIFIED),
    Rule("secret/policy-etag", "SetIamPolicy with an old etag is ABORTED.", "google.iam.v1.Policy", DOCUMENTED),
    Rule("secret/no-quota", "The quotas of 90,000 accesses and 600 reads a minute are not enforced; plant RESOURCE_EXHAUSTED instead.", _OURS, UNVERIFIED),
)

_PUBSUB = (
    Rule("pubsub/names", "Ids of topics and subscriptions: 3 to 255 letters, digits and -_.~+%, beginning with a letter, not with goog.", f"{_TOPIC}, Subscription", DOCUMENTED),
    Rule("pubsub/name-text", "Invalid resource name given (name=...). Refer to https://cloud.google.com/pubsub/docs/admin#resource_names for more information.", "goblet#399", ISSUE_TEXT),
    Rule("pubsub/exists", "Resource already exists in the project (resource=ID).", "nodejs-getting-started#351", ISSUE_TEXT),
    Rule("pubsub/not-found", "Resource not found (resource=ID).", "google-cloud-go#9723", ISSUE_TEXT),
    Rule("pubsub/labels", "As those of channels.", _OURS, UNVERIFIED),
    Rule("pubsub/message-count", "The value for message_count is too large. You passed N in the request, but the maximum value is 1000. (or too small, 1)", "google-cloud-java#4757, google-api-nodejs-client#519", ISSUE_TEXT),
    Rule("pubsub/request-size", "The value for request_size is too large. You passed N in the request, but the maximum value is 10000000.", "google-cloud-python#5898", ISSUE_TEXT),
    Rule("pubsub/empty-message", "One or more messages in the publish request is empty. Each message must contain either non-empty data, or at least one attribute.", "snowbridge#34", ISSUE_TEXT),
    Rule("pubsub/attribute-length", "One of the attributes in the request has a value that is too long. The length is N characters, but the maximum allowed is 1024. Keys: 256; that bytes are counted is ours.", "google-cloud-python#7906", ISSUE_TEXT),
    Rule("pubsub/attribute-count", "At most 100 attributes a message; the sentence is ours.", "google-cloud-pubsub, IngestionFailureEvent.ApiViolationReason", DOCUMENTED),
    Rule("pubsub/server-fields", "message_id and publish_time are the server's, whatever was sent.", "google-cloud-pubsub, PubsubMessage", DOCUMENTED),
    Rule("pubsub/ack-deadline", "A subscription's ack deadline is 10 to 600 s, 10 by default; the sentence is that of ModifyAckDeadline.", _SUBSCRIPTION, DOCUMENTED),
    Rule("pubsub/modify-ack-deadline", "Invalid ack deadline given (ack_deadline=N). The ack deadline must be between 0 and 600 seconds.", "fs2-queues#141", ISSUE_TEXT),
    Rule("pubsub/redelivery", "What is not acknowledged within its deadline is delivered again, under another ack id; a deadline of 0 gives it back at once.", "google-cloud-pubsub, ModifyAckDeadlineRequest", DOCUMENTED),
    Rule("pubsub/late-ack", "Acknowledging late or twice is no error. Here a late one counts until the message is delivered again.", "google-cloud-pubsub, Subscriber.acknowledge", DOCUMENTED),
    Rule("pubsub/ack-id", "An ack id that is none is INVALID_ARGUMENT; the sentence is ours.", _OURS, UNVERIFIED),
    Rule("pubsub/no-ack-id", "You have not specified an ack ID in the request.", "nodejs-pubsub#1194", ISSUE_TEXT),
    Rule("pubsub/max-messages", "max_messages below 1: You have passed an invalid argument to the service (argument=max_messages).", "google-cloud-dotnet#5378", ISSUE_TEXT),
    Rule("pubsub/pull-wait", "A Pull with nothing to give waits; here up to 5 s of real time, then it answers no messages. At most 1,000 a Pull.", "google-cloud-pubsub, PullRequest", DOCUMENTED),
    Rule("pubsub/retention", "Messages are kept for 7 days, or 10 minutes to 31 days; the sentence is ours.", _SUBSCRIPTION, DOCUMENTED),
    Rule("pubsub/expiry", "A subscription that nobody uses for 31 days, or for the ttl of its expiration policy (at least 1 day), is gone. The sentence is ours.", _SUBSCRIPTION, DOCUMENTED),
    Rule("pubsub/deleted-topic", "The subscriptions of a deleted topic stay, their topic is _deleted-topic_.", _SUBSCRIPTION, DOCUMENTED),
    Rule("pubsub/order", "Messages come in the order of their publication; the real service promises no order.", _OURS, UNVERIFIED),
    Rule("pubsub/plain-pull", "Subscriptions with push, filters, ordering, exactly-once, dead letters, retry policies, exports or transforms are refused as UNIMPLEMENTED.", _OURS, UNVERIFIED),
)

_RESOURCES = (
    Rule("channel/type", "A channel has a known type and the labels that its descriptor asks for, no others.", _CHANNEL_TYPES, DOCUMENTED),
    Rule("channel/lengths", "Display name 512, description 1024 characters.", _CHANNEL, DOCUMENTED),
    Rule("channel/user-labels", "At most 64 entries, 63 characters each, lowercase letters, numerals, _ and -; keys begin with a letter.", _CHANNEL, DOCUMENTED),
    Rule("channel/verification-status", "verification_status can not be set.", _CHANNEL, DOCUMENTED),
    Rule("channel/sensitive", "Sensitive labels are shown in part; written back as shown they keep their value.", _CHANNEL, DOCUMENTED),
    Rule("channel/in-use", "A channel that an alert policy uses is deleted only with force, which removes it there.", "google-cloud-monitoring, DeleteNotificationChannelRequest", DOCUMENTED),
    Rule("channel/addresses", "email_address, url and topic have their form.", _OURS, UNVERIFIED),
    Rule("service/id", "service_id matches [a-z0-9\\-]+.", "google-cloud-monitoring, CreateServiceRequest", DOCUMENTED),
    Rule("service/user-labels", "As those of channels.", _SERVICE, DOCUMENTED),
    Rule("service/children", "The objectives of a deleted service are gone.", _OURS, UNVERIFIED),
    Rule("slo/id", "service_level_objective_id matches [a-zA-Z0-9-_:.]+.", "google-cloud-monitoring, CreateServiceLevelObjectiveRequest", DOCUMENTED),
    Rule("slo/goal", "0 < goal <= 0.9999.", _SLO, DOCUMENTED),
    Rule("slo/period", "A rolling period of 1 to 30 whole days, or DAY, WEEK, FORTNIGHT, MONTH.", _SLO, DOCUMENTED),
    Rule("slo/ratio", "Exactly two of good, bad and total.", _SLI, DOCUMENTED),
    Rule("slo/window", "window_period is a whole fraction of a day, at least 60 s.", _SLI, DOCUMENTED),
    Rule("slo/complete", "An indicator has a type, a method or criterion, and ranges with min below max.", _OURS, UNVERIFIED),
    Rule("dashboard/display-name", "display_name is required.", _DASHBOARD, DOCUMENTED),
    Rule("dashboard/tiles", "Tiles are at least 1 wide and high, not at negative places, within the columns.", "google-cloud-monitoring-dashboards, MosaicLayout", DOCUMENTED),
    Rule("dashboard/columns", "1 to 48 columns; the documentation says 12, dashboards of the console have 48.", _OURS, UNVERIFIED),
    Rule("dashboard/etag", "An etag that is given and not current: ABORTED.", f"{_DASHBOARD}; {_AIP}/154", UNVERIFIED),
    Rule("dashboard/no-etag", "No etag is given on creation.", _DASHBOARD, DOCUMENTED),
    Rule("budget/display-name", "At most 60 characters.", _BUDGET, DOCUMENTED),
    Rule("budget/amount", "specified_amount in the account's currency, or last_period_amount with a calendar period.", _BUDGET, DOCUMENTED),
    Rule("budget/thresholds", "Percentages are not negative; FORECASTED_SPEND only with a calendar period.", _BUDGET, DOCUMENTED),
    Rule("budget/filter", "Credit types only with INCLUDE_SPECIFIED_CREDITS; one label with one value; a custom period begins after 1 January 2017.", _BUDGET, DOCUMENTED),
    Rule("budget/notifications", "A topic needs schema_version 1.0; at most 5 channels, only email.", _BUDGET, DOCUMENTED),
    Rule("budget/etag", "An etag that is given and not current: ABORTED; an empty one overwrites.", f"{_BUDGET}; {_AIP}/154", UNVERIFIED),
    Rule("budget/mask", "Without update_mask only fields with a value are updated.", "google-cloud-billing-budgets, UpdateBudgetRequest", DOCUMENTED),
    Rule("budget/page", "At most 100 budgets a page.", "google-cloud-billing-budgets, ListBudgetsRequest", DOCUMENTED),
    Rule("billing/account", "Every project is linked to billingAccounts/000000-000000-000000 in USD; other accounts answer PERMISSION_DENIED.", _OURS, UNVERIFIED),
    Rule("billing/page", "At most 100 accounts or projects a page, 5,000 SKUs.", _BILLING, DOCUMENTED),
    Rule("catalog/prices", "List prices of 23 November 2026 in USD; service ids are real, SKU ids placeholders.", _OURS, UNVERIFIED),
    Rule("profile/parent", "A deployment's project_id matches `^[a-z][-a-z0-9:.]{4,61}[a-z0-9]$`; the sentence is ours.", _PROFILER, DOCUMENTED),
    Rule("profile/same-project", "It is the project of the parent.", _OURS, UNVERIFIED),
    Rule("profile/target", "The target matches `^[a-z]([-a-z0-9_.]{0,253}[a-z0-9])?$`; the sentence is ours.", _PROFILER, DOCUMENTED),
    Rule("profile/labels", "Label names match `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`, a value has at most 512 bytes, all names and values 1,024; the sentences are ours.", _PROFILER, DOCUMENTED),
    Rule("profile/type", "An offline profile has a type; the sentence is ours.", _PROFILES, DOCUMENTED),
    Rule("profile/duration", "The duration is positive.", _OURS, UNVERIFIED),
    Rule("profile/bytes", "profileBytes is a gzip of a pprof profile that agrees with itself; the sentences are ours.", _PROFILES, DOCUMENTED),
    Rule("profile/order", "Profiles of a deployment come in ascending time. Here an older one of the same type is INVALID_ARGUMENT; that the real service refuses it is not known.", _PROFILER, UNVERIFIED),
    Rule("profile/name", "Names are projects/[PROJECT]/profiles/[16 hexadecimal digits].", "cloud-profiler-java#58", ISSUE_TEXT),
    Rule("profile/start-time", "startTime is the time within the pprof profile.", _OURS, UNVERIFIED),
    Rule("profile/input-only", "The answer to createOffline has neither profileBytes nor labels.", _PROFILES, DOCUMENTED),
    Rule("profile/list", "projects.profiles.list answers profileBytes and labels, oldest first.", _OURS, UNVERIFIED),
    Rule("profile/page", "At most 1,000 profiles a page.", f"{_PROFILES}/list", DOCUMENTED),
    Rule("profile/retention", "Profiles are kept for 30 days.", "https://cloud.google.com/profiler/quotas", DOCUMENTED),
    Rule("profile/held", "The last 1,000 profiles and 256 MiB are kept; a request has at most 32 MiB.", _OURS, UNVERIFIED),
    Rule("profile/no-grpc", "createOffline and list are served over REST only; CreateProfile and UpdateProfile, the agents' online mode, not at all.", _OURS, UNVERIFIED),
    Rule("list/page-token", "A token belongs to the call it came from: other arguments are INVALID_ARGUMENT; so is a negative size.", f"{_AIP}/158", DOCUMENTED),
)

_CALLS = (
    Rule("rpc/unimplemented", "A known method that is not written answers UNIMPLEMENTED with its name; an unknown path 'Method not found!'.", "grpc", DOCUMENTED),
    Rule("rpc/no-identity", "Nobody is authenticated: every permission is held.", _OURS, UNVERIFIED),
    Rule("rpc/message-size", "A message has at most 64 MiB, unpacked; more is RESOURCE_EXHAUSTED. Google's own limits are lower and differ by service.", _OURS, UNVERIFIED),
)
# fmt: on

RULES: tuple[Rule, ...] = (*_CALLS, *_SECRETS, *_PUBSUB, *monitoring.RULES, *otlp_rules.RULES, *_RESOURCES)
BY_ID = {rule.id: rule for rule in RULES}

__all__ = ["BY_ID", "DOCUMENTED", "ISSUE_TEXT", "RULES", "UNVERIFIED", "Rule"]
