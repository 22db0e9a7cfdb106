"""An emulator started by hand serves a script that uses only Google's clients."""

from __future__ import annotations

import json
import os
import subprocess
import sys

SCRIPT = """
import os, sys, time
import grpc
from google.cloud import monitoring_v3, secretmanager_v1

channel = grpc.insecure_channel(os.environ["EMULATOR"])
connect = lambda cls: cls(transport=cls.get_transport_class("grpc")(channel=channel))

secrets = connect(secretmanager_v1.SecretManagerServiceClient)
automatic = {"replication": {"automatic": {}}}
secret = secrets.create_secret(parent="projects/p", secret_id="key", secret=automatic)
secrets.add_secret_version(parent=secret.name, payload={"data": b"swordfish"})
print(secrets.access_secret_version(name="projects/p/secrets/key/versions/latest").payload.data.decode())

metrics = connect(monitoring_v3.MetricServiceClient)
series = monitoring_v3.TimeSeries()
series.metric.type = "custom.googleapis.com/checkout"
series.resource.type = "global"
now = time.time()
series.points = [{"interval": {"end_time": {"seconds": int(now)}}, "value": {"double_value": 12.5}}]
metrics.create_time_series(name="projects/p", time_series=[series])
found = metrics.list_time_series(request={
    "name": "projects/p",
    "filter": 'metric.type = "custom.googleapis.com/checkout"',
    "interval": {"start_time": {"seconds": int(now) - 60}, "end_time": {"seconds": int(now) + 1}},
})
print([point.value.double_value for each in found for point in each.points])

policies = connect(monitoring_v3.AlertPolicyServiceClient)
policy = policies.create_alert_policy(name="projects/p", alert_policy={
    "display_name": "slow", "combiner": "OR",
    "conditions": [{"display_name": "slow", "condition_threshold": {
        "filter": 'metric.type = "custom.googleapis.com/checkout" AND resource.type = "global"',
        "comparison": "COMPARISON_GT", "threshold_value": 10, "duration": {"seconds": 0},
        "aggregations": [{"alignment_period": {"seconds": 60}, "per_series_aligner": "ALIGN_MEAN"}]}}],
})
print(policy.name.startswith("projects/p/alertPolicies/"))
print([name for name in sys.modules if "genesis" in name])
"""


def test_a_script_with_only_google_s_clients_is_served():
    command = [sys.executable, "-m", "genesis_performance.cli.main", "emulator"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as emulator:
        try:
            address = json.loads(emulator.stdout.readline())["grpc"]
            # Isolated: nothing of this project is on the path of the script.
            ran = subprocess.run(
                [sys.executable, "-I", "-c", SCRIPT],
                env=os.environ | {"EMULATOR": address},
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
        finally:
            emulator.terminate()
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["swordfish", "[12.5]", "True", "[]"]
