import pytest

from genesis_performance.errors import CloudInvalidError
from genesis_performance.export.refusal import is_too_soon, named, refusal

FREQUENT = (
    "One or more TimeSeries could not be written: timeSeries[0-2] "
    '(example metric.type="m", metric.labels={}): '
    "write for resource=generic_task{} failed with: One or more points were written more frequently than the "
    "maximum sampling period configured for the metric."
)


class _Summary:
    def __init__(self, success_point_count: int) -> None:
        self.success_point_count = success_point_count


@pytest.mark.parametrize(
    ("message", "indices", "transient"),
    [
        (FREQUENT, {0, 1, 2}, True),
        ("Field timeSeries[3].metric.type had an invalid value: bad: timeSeries[3]", {3}, False),
        ("timeSeries[0,2,4-6] (example …): failed with: Internal error encountered.", {0, 2, 4, 5, 6}, True),
        ("Points must be written in order: timeSeries[1]", {1}, True),
        ("nothing is named", set(), False),
        ("timeSeries[99]", set(), False),
        ("timeSeries[0-999999999]", set(range(10)), False),
        ("timeSeries[]", set(), False),
    ],
)
def test_the_named_series_are_read(message: str, indices: set[int], transient: bool) -> None:
    found = named(message, 10)
    assert found.keys() == indices
    assert {reason.is_transient for reason in found.values()} <= {transient}


def test_each_part_of_a_message_has_its_own_reason() -> None:
    found = named(f"{FREQUENT}; Value type must be INT64: timeSeries[5]", 10)
    assert found[1].is_transient
    assert not found[5].is_transient


def test_the_reason_is_the_same_for_every_series_that_has_it() -> None:
    other = FREQUENT.replace("[0-2]", "[7]").replace('"m"', '"n"')
    found = named(f"{FREQUENT}; {other}", 10)
    assert found[0].text == found[7].text
    assert found[0].text.startswith("One or more points were written more frequently")


def test_points_that_the_message_does_not_name_are_counted() -> None:
    error = CloudInvalidError("timeSeries[1] bad; and 2 more kinds of error.", details=(_Summary(5),))
    found = refusal(error, 10)
    assert found is not None
    assert found.reasons.keys() == {1}
    assert found.unnamed == 4


def test_an_error_without_a_summary_refused_the_whole_call() -> None:
    assert refusal(CloudInvalidError(FREQUENT), 10) is None


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        (FREQUENT, True),
        ("One or more of the points specified had an older end time than the most recent point.", True),
        ("Internal error encountered.", False),
        ("Field timeSeries[3].metric.type had an invalid value: bad", False),
    ],
)
def test_points_that_another_process_was_just_before_are_told_from_others(text: str, is_so: bool) -> None:
    assert is_too_soon(text) is is_so
