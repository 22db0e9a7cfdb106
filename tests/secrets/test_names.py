from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.errors import InvalidInputError
from genesis_performance.secrets.names import parse

SECRETS = st.text("abcXYZ019_-", min_size=1, max_size=255)
VERSIONS = st.one_of(
    st.just("latest"),
    st.integers(1, 10**9).map(str),
    st.from_regex(r"[a-zA-Z][a-zA-Z0-9_-]{0,62}", fullmatch=True),
)


def read(text, version="latest", location=None):
    return parse(text, version, project=lambda: "p", location=location)


@pytest.mark.parametrize(
    ("text", "resource"),
    [
        ("db", "projects/p/secrets/db/versions/latest"),
        ("db/versions/3", "projects/p/secrets/db/versions/3"),
        ("projects/other/secrets/db", "projects/other/secrets/db/versions/latest"),
        ("projects/42/secrets/db/versions/7", "projects/42/secrets/db/versions/7"),
        ("projects/example.com:p/secrets/db", "projects/example.com:p/secrets/db/versions/latest"),
        (
            "projects/p/locations/europe-west3/secrets/db",
            "projects/p/locations/europe-west3/secrets/db/versions/latest",
        ),
    ],
)
def test_every_form_of_a_name_is_read(text, resource):
    assert read(text).resource == resource


def test_a_short_name_takes_the_version_argument():
    assert read("db", 3).resource == read("db", "3").resource == "projects/p/secrets/db/versions/3"


def test_a_short_name_takes_the_location_of_the_settings():
    assert read("db", location="europe-west3").parent == "projects/p/locations/europe-west3/secrets/db"


def test_a_full_name_does_not_need_a_project():
    def nobody_asks():
        raise AssertionError

    assert parse("projects/q/secrets/db", project=nobody_asks).project == "q"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " db",
        "db ",
        "db\n",
        "dätä",
        "a" * 256,
        "db/versions/",
        "db/versions/0",
        "db/versions/-1",
        "db/version/1",
        "secrets/db",
        "projects/p/db",
        "projects//secrets/db",
        "projects/p/secrets/db/versions/1/extra",
        "../../etc/passwd",
        "a/b",
        "٣",
        "db/versions/٣",
        None,
        7,
        b"db",
    ],
)
def test_what_is_no_name_is_refused_in_words(text):
    with pytest.raises(InvalidInputError, match="is not a"):
        read(text)


def test_name_and_argument_must_not_name_different_versions():
    with pytest.raises(InvalidInputError, match="give one"):
        read("db/versions/3", 4)
    assert read("db/versions/3", 3).version == "3"


@pytest.mark.parametrize("version", [None, True, 3.0, ["1"], "", "0", "-1", "1.0", "lat est", "a" * 64, "٣"])
def test_what_is_no_version_is_refused_in_words(version):
    with pytest.raises(InvalidInputError, match="version"):
        read("db", version)


def test_a_payload_passed_by_mistake_is_not_repeated():
    with pytest.raises(InvalidInputError) as caught:
        read("-----BEGIN PRIVATE KEY-----\ncanary")
    assert "canary" not in str(caught.value)


@given(SECRETS, VERSIONS)
def test_a_resource_name_reads_as_itself(secret, version):
    name = read(secret, version)
    assert read(name.resource) == name
    assert read(name.label).resource == name.resource


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_an_error_in_words(text):
    with contextlib.suppress(InvalidInputError):
        assert read(text).resource.startswith("projects/")
