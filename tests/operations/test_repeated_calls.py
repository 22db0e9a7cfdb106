"""Identical calls within one operation, and the place they come from."""

from pathlib import Path

from genesis_performance.operations import Recorder, note_call


def test_a_call_outside_an_operation_is_ignored() -> None:
    note_call("secret read", "key", 1)


def test_a_call_made_once_is_no_repeat() -> None:
    recorder = Recorder()
    with recorder.operation("checkout"):
        note_call("secret read", "tax-key", 10)
    assert recorder.repeated_calls() == []


def test_identical_calls_are_counted_with_file_and_line() -> None:
    recorder = Recorder()
    for _ in range(2):
        with recorder.operation("checkout"):
            for _ in range(3):
                note_call("secret read", "tax-key", 10)
    (repeat,) = recorder.repeated_calls()
    assert (repeat.executions, repeat.calls, repeat.most, repeat.duration_ns) == (2, 6, 3, 60)
    assert Path(repeat.file).name == Path(__file__).name
    line = Path(__file__).read_text().splitlines()[repeat.line - 1]
    assert "note_call(" in line


def test_calls_with_other_keys_are_no_repeat() -> None:
    recorder = Recorder()
    with recorder.operation("checkout"):
        note_call("secret read", "a", 1)
        note_call("secret read", "b", 1)
    assert recorder.repeated_calls() == []


def test_calls_in_nested_operations_add_up_in_the_outer_one() -> None:
    recorder = Recorder()
    with recorder.operation("checkout"):
        for _ in range(4):
            with recorder.operation("price item"):
                note_call("secret read", "tax-key", 5)
    found = {(repeat.kind, repeat.key): repeat for repeat in recorder.repeated_calls()}
    assert found["secret read", "tax-key"].calls == 4
    assert found["secret read", "tax-key"].operation == "checkout"
    assert found["operation", "price item"].calls == 4


def test_many_different_keys_stay_bounded() -> None:
    recorder = Recorder()
    with recorder.operation("scan") as execution:
        for number in range(10_000):
            note_call("query", str(number), 1)
        assert len(execution.calls or ()) <= 256
