"""An incident from its opening to its end, told to a webhook on this machine. No project is needed."""

import http.server
import json
import os
import tempfile
import threading
import time
from pathlib import Path

from core.performance import PerformanceMonitor, PerformanceProfiler
from genesis_performance.monitor.channels.signature import HEADER, verify

KEY = b"a key that only both sides know"


class Receiver(http.server.BaseHTTPRequestHandler):
    """A service of yours that is told of incidents."""

    told: dict[str, str] = {}  # noqa: RUF012 - in all requests, by key

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if verify(KEY, body, self.headers[HEADER] or "", now_unix_s=time.time()):
            news = json.loads(body)
            self.told[news["key"]] = news["text"]  # after a failure it may come again
            self.send_response(204)
        else:
            self.send_response(401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


def pay(profiler: PerformanceProfiler, times: int, *, fails: bool = False) -> None:
    for _ in range(times):
        try:
            with profiler.profile_context("pay"):
                if fails:
                    raise LookupError("no such account")
        except LookupError:
            pass


def main() -> None:
    profiler = PerformanceProfiler()
    with PerformanceMonitor(service_name="orders") as monitor:
        monitor.create_error_rate_alert("orders", threshold_percent=20, apply="local")
        pay(profiler, 12)
        pay(profiler, 8, fails=True)
        for incident in monitor.check_performance_thresholds():  # or wait: it looks every 10 s by itself
            cause = incident.evidence.operations[0] if incident.evidence else None
            print("caused by", ", ".join(cause.error_types) if cause else "what is not known")
            monitor.acknowledge_incident(incident, "rolling back")
            print("acknowledged:", incident.summary)
        pay(profiler, 200)
        print(len(monitor.check_performance_thresholds()), "open")


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        key_file = Path(folder) / "key"
        key_file.write_bytes(KEY)
        os.environ["GENESIS_PERF__NOTIFICATIONS__WEBHOOK_URL"] = f"http://127.0.0.1:{server.server_port}/"
        os.environ["GENESIS_PERF__NOTIFICATIONS__WEBHOOK_KEY_FILE"] = str(key_file)
        os.environ["GENESIS_PERF__MONITORING__BUFFER_DIR"] = folder
        main()
    server.shutdown()
    for text in Receiver.told.values():
        print("told:", text)
