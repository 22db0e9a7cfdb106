"""What every store keeps: records by kind and key, newest first, pruned by age and size."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from genesis_performance.errors import ConfigurationError, InvalidInputError, UnknownNameError
from genesis_performance.storage import Kind, open_store
from genesis_performance.storage.sqlite import SqliteStore

DAY_NS = 86_400 * 10**9


class Clock:
    """Nanoseconds since the epoch, set by hand."""

    def __init__(self, now: int = 1000 * DAY_NS) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[SqliteStore]:
    with SqliteStore(
        tmp_path / "made" / "history.db", max_size_mb=1, retention_days=10, clock=clock
    ) as store:
        yield store


def test_constructing_and_asking_create_nothing(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/new/history.db") as store:
        assert store.get(Kind.RUN, "a") is None
        assert store.list(Kind.RUN) == []
        assert store.delete(Kind.RUN) == 0
        assert store.prune() == 0
    assert list(tmp_path.iterdir()) == []


def test_append_keeps_every_record_and_get_returns_the_newest(store: SqliteStore, clock: Clock) -> None:
    store.append(Kind.RUN, "a", {"n": 1})
    clock.now += 1
    store.append(Kind.RUN, "a", {"n": 2})
    assert store.get(Kind.RUN, "a") == {"n": 2}
    assert [record.body["n"] for record in store.list(Kind.RUN, "a")] == [2, 1]


def test_put_replaces_all_records_of_its_key_only(store: SqliteStore) -> None:
    store.append(Kind.BASELINE, "a", {"n": 1})
    store.append(Kind.BASELINE, "b", {"n": 2})
    store.put(Kind.BASELINE, "a", {"n": 3})
    assert sorted((r.key, r.body["n"]) for r in store.list(Kind.BASELINE)) == [("a", 3), ("b", 2)]


def test_list_filters_by_time_orders_and_limits(store: SqliteStore, clock: Clock) -> None:
    for number in range(4):
        store.append(Kind.NOTE, "x", {"n": number}, at_unix_ns=clock.now + number)
    oldest_first = store.list(Kind.NOTE, since_unix_ns=clock.now + 1, limit=2, newest_first=False)
    assert [record.body["n"] for record in oldest_first] == [1, 2]
    assert [record.at_unix_ns - clock.now for record in oldest_first] == [1, 2]
    assert store.list(Kind.NOTE, limit=0) == []


def test_delete_takes_a_key_or_the_whole_kind(store: SqliteStore) -> None:
    for key in ("a", "b", "c"):
        store.append(Kind.RUN, key, {})
    store.append(Kind.NOTE, "a", {})
    assert store.delete(Kind.RUN, "a") == 1
    assert store.delete(Kind.RUN) == 2
    assert len(store.list(Kind.NOTE)) == 1


def test_prune_deletes_what_is_older_than_the_retention(store: SqliteStore, clock: Clock) -> None:
    store.append(Kind.RUN, "old", {}, at_unix_ns=clock.now - 11 * DAY_NS)
    store.append(Kind.RUN, "new", {}, at_unix_ns=clock.now - 9 * DAY_NS)
    store.prune()
    assert [record.key for record in store.list(Kind.RUN)] == ["new"]


def test_a_baseline_has_no_age(store: SqliteStore, clock: Clock) -> None:
    store.put(Kind.BASELINE, "a", {})
    clock.now += 365 * DAY_NS
    assert store.prune() == 0
    assert store.get(Kind.BASELINE, "a") == {}


def test_the_size_cap_deletes_the_oldest_and_the_file_shrinks(store: SqliteStore, clock: Clock) -> None:
    store.put(Kind.BASELINE, "kept", {})
    for number in range(60):
        clock.now += 1
        store.append(Kind.RUN, f"run {number}", {"text": "x" * 50_000})
    store.prune()
    keys = [record.key for record in store.list(Kind.RUN, newest_first=False)]
    assert keys == [f"run {number}" for number in range(60 - len(keys), 60)]
    assert 10 < len(keys) < 20
    assert store.path.stat().st_size <= 1_000_000
    assert store.get(Kind.BASELINE, "kept") == {}


def test_writing_alone_keeps_the_file_near_its_cap(store: SqliteStore) -> None:
    for number in range(100):
        store.append(Kind.RUN, str(number), {"text": "x" * 50_000})
    assert store.path.stat().st_size <= 3_000_000


def test_a_record_larger_than_a_quarter_of_the_cap_is_refused(store: SqliteStore) -> None:
    with pytest.raises(InvalidInputError, match=r"0\.3 MB.*max_size_mb"):
        store.append(Kind.RUN, "huge", {"text": "x" * 300_000})


@pytest.mark.parametrize(
    "body",
    [{"a": float("nan")}, {"a": float("inf")}, {"a": object()}, {"a": {1, 2}}, {(1, 2): 3}, "text", None],
)
def test_a_body_that_is_not_json_is_refused(store: SqliteStore, body: object) -> None:
    with pytest.raises(InvalidInputError, match="body of run 'a'"):
        store.append(Kind.RUN, "a", body)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["", None, 5])
def test_a_key_that_is_no_text_is_refused(store: SqliteStore, key: object) -> None:
    with pytest.raises(InvalidInputError, match="key is"):
        store.put(Kind.RUN, key, {})  # type: ignore[arg-type]


@pytest.mark.parametrize("at", [2**63, 1.5, "now"])
def test_a_time_that_is_no_nanosecond_count_is_refused(store: SqliteStore, at: object) -> None:
    with pytest.raises(InvalidInputError, match="nanoseconds"):
        store.append(Kind.RUN, "a", {}, at_unix_ns=at)  # type: ignore[arg-type]


def test_an_unknown_kind_is_an_error_that_lists_the_known_ones(store: SqliteStore) -> None:
    with pytest.raises(UnknownNameError, match=r"'runs'; known are run, baseline, incident"):
        store.append("runs", "a", {})


def test_a_closed_store_opens_again(store: SqliteStore) -> None:
    store.append(Kind.RUN, "a", {"n": 1})
    store.close()
    assert store.get(Kind.RUN, "a") == {"n": 1}


@hypothesis_settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    key=st.text(st.characters(codec=None), min_size=1),
    text=st.text(st.characters(codec=None)),
    number=st.integers() | st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_text_and_number_comes_back(store: SqliteStore, key: str, text: str, number: float) -> None:
    body = {"text": text, "number": number, text: [None, True]}
    store.put(Kind.NOTE, key, body)
    assert store.get(Kind.NOTE, key) == body


@pytest.mark.parametrize(
    "url", ["postgres://x", "sqlite://", "sqlite:///", "sqlite:///:memory:", "history.db", ""]
)
def test_an_address_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="sqlite:///PATH"):
        open_store(url)


def test_bigquery_says_that_it_comes_later() -> None:
    with pytest.raises(ConfigurationError, match="comes later"):
        open_store("bigquery://project.dataset")


def test_the_address_comes_from_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from genesis_performance import config

    monkeypatch.chdir(tmp_path)
    config.reset(config.load(arguments={"storage.url": "sqlite:///here/h.db"}))
    try:
        with open_store() as store:
            store.append(Kind.NOTE, "a", {})
    finally:
        config.reset()
    assert (tmp_path / "here" / "h.db").is_file()


@pytest.mark.parametrize(
    "values", [{"max_size_mb": 0}, {"max_size_mb": float("nan")}, {"retention_days": -1}]
)
def test_a_cap_of_nothing_is_refused(tmp_path: Path, values: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match="above 0"):
        open_store(f"sqlite:///{tmp_path}/h.db", **values)  # type: ignore[arg-type]


def test_the_default_directory_ignores_itself_in_git(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/.genesis/h.db") as store:
        store.append(Kind.NOTE, "a", {})
    assert (tmp_path / ".genesis" / ".gitignore").read_text() == "*\n"
