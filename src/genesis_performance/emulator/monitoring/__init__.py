"""The emulated Cloud Monitoring: metrics, alert policies and the alerts that they open."""

from .metric_service import MetricService

SERVICES = (MetricService,)
