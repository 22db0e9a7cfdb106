from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import google.auth
import pytest
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import RefreshError

from genesis_performance import config
from genesis_performance.errors import (
    CloudError,
    CloudInvalidError,
    CloudNotFoundError,
    CloudPermissionError,
    CloudUnavailableError,
    ConfigurationError,
)
from genesis_performance.gcp import rest


@pytest.fixture
def web(monkeypatch):
    """A web server; ``answers`` are (status, body), the last again and again."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self):
            length = int(self.headers.get("Content-Length") or 0)
            server.seen.append((self.command, self.path, self.rfile.read(length), dict(self.headers)))
            status, body = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - the standard library's name

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.seen, server.answers = [], []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("GENESIS_PERF_EMULATOR_HTTP", f"127.0.0.1:{server.server_port}")
    config.reset()
    yield server
    server.shutdown()
    server.server_close()


def error(status: str, message: str = "as the test says"):
    return {"error": {"code": 0, "status": status, "message": message}}


def test_a_resource_is_read_with_its_parameters(web):
    web.answers = [(200, {"alerts": []})]
    assert rest.get("metrics", "v3/projects/p/alerts", {"pageSize": "10", "filter": 'state="OPEN"'}) == {
        "alerts": []
    }
    assert web.seen[0][1] == "/v3/projects/p/alerts?pageSize=10&filter=state%3D%22OPEN%22"
    assert web.seen[0][3]["User-Agent"].startswith("genesis-performance/")
    assert "Authorization" not in web.seen[0][3]


def test_a_body_is_posted_as_json(web):
    web.answers = [(200, {})]
    rest.post("metrics", "v3/projects/p/x", {"a": 1})
    method, _path, body, headers = web.seen[0]
    assert (method, json.loads(body), headers["Content-Type"]) == ("POST", {"a": 1}, "application/json")


def test_a_read_is_tried_again_after_a_transient_error(web):
    web.answers = [(503, error("UNAVAILABLE")), (429, b"slow down"), (200, {"a": 1})]
    assert rest.get("metrics", "x") == {"a": 1}


def test_a_write_is_sent_once(web):
    web.answers = [(503, error("UNAVAILABLE")), (200, {})]
    with pytest.raises(CloudUnavailableError):
        rest.post("metrics", "x", {})
    assert len(web.seen) == 1


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (404, error("NOT_FOUND", "no such alert"), CloudNotFoundError, "no such alert"),
        (403, error("PERMISSION_DENIED"), CloudPermissionError, "as the test says"),
        (400, b"<html>", CloudInvalidError, "HTTP 400"),
        (400, b"[]", CloudInvalidError, "HTTP 400"),
        (418, b"", CloudError, "HTTP 418"),
        (200, b"<html>", CloudError, "not a JSON object"),
        (200, b"[1]", CloudError, "not a JSON object"),
        (200, b"\xff\xfe", CloudError, "not a JSON object"),
    ],
)
def test_errors_are_translated(web, status, body, kind, words):
    web.answers = [(status, body)]
    with pytest.raises(kind, match=words):
        rest.get("metrics", "v3/projects/p/alerts")


def test_a_server_that_is_gone_is_an_outage(web):
    web.shutdown()
    web.server_close()
    with pytest.raises(CloudUnavailableError):
        rest.get("metrics", "x", timeout_s=0.2)


def test_the_emulator_s_http_port_must_be_known(monkeypatch):
    monkeypatch.setenv("GENESIS_PERF_EMULATOR", "127.0.0.1:1")
    config.reset()
    with pytest.raises(ConfigurationError, match="GENESIS_PERF_EMULATOR_HTTP"):
        rest.get("metrics", "x")


class Token(AnonymousCredentials):
    def before_request(self, request, method, url, headers):
        headers["authorization"] = "Bearer t"


class Expired(AnonymousCredentials):
    def before_request(self, request, method, url, headers):
        raise RefreshError("expired")


def test_google_itself_is_asked_over_https_with_a_token(monkeypatch):
    monkeypatch.setattr(google.auth, "default", lambda **_: (Token(), "p"))
    request = rest._request("GET", "metrics", "v3/projects/p/alerts", None)
    assert request.full_url == "https://monitoring.googleapis.com/v3/projects/p/alerts"
    assert request.get_header("Authorization") == "Bearer t"


def test_expired_credentials_are_translated(monkeypatch):
    monkeypatch.setattr(google.auth, "default", lambda **_: (Expired(), "p"))
    with pytest.raises(CloudPermissionError, match="expired"):
        rest.get("metrics", "v3/projects/p/alerts")
