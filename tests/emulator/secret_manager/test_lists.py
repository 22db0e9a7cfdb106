from __future__ import annotations

import itertools

import pytest
from google.api_core import exceptions

P = "projects/shop"


def _ids(secrets):
    return [secret.name.rpartition("/")[2] for secret in secrets]


def test_secrets_are_listed_newest_first(client, make):
    for name in "abc":
        make(name)
    assert _ids(client.list_secrets(parent=P)) == ["c", "b", "a"]


def test_pages_hold_everything_once(client, make):
    for number in range(7):
        make(f"s{number}")
    found = client.list_secrets(request={"parent": P, "page_size": 3})
    pages = [_ids(page.secrets) for page in found.pages]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(itertools.chain(*pages)) == [f"s{number}" for number in range(7)]


def test_the_total_is_told_unless_filtered(client, make):
    make("a")
    make("b")
    assert client.list_secrets(request={"parent": P, "page_size": 1}).total_size == 2
    assert client.list_secrets(request={"parent": P, "filter": "name:a"}).total_size == 0


@pytest.mark.parametrize(
    "request_", [{"page_size": -1}, {"page_token": "x"}, {"page_token": "ä"}, {"page_token": "AAAA" * 1000}]
)
def test_a_page_that_can_not_be_is_refused(client, make, request_):
    make()
    with pytest.raises(exceptions.InvalidArgument):
        client.list_secrets(request={"parent": P, **request_})


def test_a_page_token_belongs_to_its_filter(client, make):
    make("a")
    make("b")
    token = client.list_secrets(request={"parent": P, "page_size": 1}).next_page_token
    with pytest.raises(exceptions.InvalidArgument):
        client.list_secrets(request={"parent": P, "page_size": 1, "page_token": token, "filter": "name:a"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name:db", ["db-test", "db-prod"]),
        ("db", ["db-test", "db-prod"]),
        ("labels.env=prod", ["api-prod", "db-prod"]),
        ("labels.env:pro", ["api-prod", "db-prod"]),
        ("labels.env:*", ["api-prod", "db-test", "db-prod"]),
        ("labels:env", ["api-prod", "db-test", "db-prod"]),
        ("NOT labels.env:*", ["plain"]),
        ("-name:prod", ["plain", "db-test"]),
        ("name:db AND labels.env=prod", ["db-prod"]),
        ("name:db labels.env=prod", ["db-prod"]),
        ("name:plain OR name:api", ["plain", "api-prod"]),
        ("name:db AND (labels.env=test OR name:api)", ["db-test"]),
        ('labels.env="prod"', ["api-prod", "db-prod"]),
        ("create_time > 2001-01-01T00:00:00Z", ["plain", "api-prod", "db-test", "db-prod"]),
        ("create_time<2001-01-01", []),
        ("replication.automatic:*", ["plain", "api-prod", "db-test", "db-prod"]),
        ("expire_time:*", []),
        ("labels.env!=prod", ["plain", "db-test"]),
    ],
)
def test_filters(client, make, text, expected):
    make("db-prod", labels={"env": "prod"})
    make("db-test", labels={"env": "test"})
    make("api-prod", labels={"env": "prod"})
    make("plain")
    assert _ids(client.list_secrets(request={"parent": P, "filter": text})) == expected


@pytest.mark.parametrize(
    "text",
    [
        "(",
        ")",
        "name:",
        "=x",
        "nothing=1",
        "a AND",
        "name:a OR",
        "create_time>yesterday",
        "!",
        '"open',
        "(" * 999,
    ],
)
def test_a_filter_that_can_not_be_read_is_refused(client, make, text):
    make()
    with pytest.raises(exceptions.InvalidArgument, match="Invalid filter"):
        client.list_secrets(request={"parent": P, "filter": text})
