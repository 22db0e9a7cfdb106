"""The emulated Cloud Monitoring: metrics, alert policies and the alerts that they open."""

from .alert_policy_service import AlertPolicyService
from .metric_service import MetricService

SERVICES = (MetricService, AlertPolicyService)
