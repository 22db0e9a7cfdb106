"""The flame graph page: complete, self-contained, small, and safe whatever the names hold."""

import base64
import hashlib
import json
import random
import re
import time
from collections import Counter
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.errors import InvalidInputError
from genesis_performance.model.advice import Finding, Severity
from genesis_performance.model.profile import ProfileReport, SamplerActivity
from genesis_performance.model.stacks import ALLOCATED, CPU, SAMPLES, WALL, Frame, StackProfile, StackRecord
from genesis_performance.render import flame_graph_data
from genesis_performance.render.flame_graph import flame_graph

NASTY = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "$data ${data} {{data}}",
    "a\x00b\x1b[31m",
    "x" * 10_240,
    "checkout 🛒 naïve",
    "\ud800 lone surrogate",
    "\u202egnp.exe",
    "",
)
FRAMES = (
    Frame("main", "/srv/shop/main.py", 12, 10),
    Frame("checkout", "/srv/shop/views.py", 31, 30),
    Frame("checkout", "/srv/shop/views.py", 33, 30),
    Frame("dumps", "/usr/lib/python3.11/json/__init__.py", 231, 183),
    Frame("execute", "/srv/.venv/lib/python3.11/site-packages/sqlalchemy/engine.py", 1405, 1400),
)


def record(stack: tuple[int, ...], cpu: int, thread: str = "MainThread", operation: str = "") -> StackRecord:
    return StackRecord(stack, (1, cpu, 2 * cpu), thread, operation)


def profile(**changes: Any) -> StackProfile:
    known: dict[str, Any] = {
        "frames": FRAMES,
        "records": (
            record((0, 1), 1_000_000, operation="GET /checkout"),
            record((0, 2, 3), 7_000_000, operation="GET /checkout"),
            record((0, 1, 4), 2_000_000, thread="worker", operation="POST /cart"),
        ),
        "start_unix_ns": 1_790_000_000_000_000_000,
        "duration_s": 29.5,
        "period_ns": 10_000_000,
        "lost": {"samples that came too late": 3},
    }
    return StackProfile(**known | changes)


def session() -> ProfileReport:
    return ProfileReport(
        profile_id="p",
        start_unix_ns=1_790_000_000_000_000_000,
        duration_s=29.5,
        operations=(),
        resources=(),
        repeated_calls=(),
        findings=(
            Finding(
                rule="profiler/blocked-loop",
                severity=Severity.WARNING,
                resource="GET /checkout",
                title="The event loop was held",
                reason="execute held it for 212 ms.",
                file="shop/database.py",
                line=24,
            ),
        ),
        cpu_count=2,
        memory_limit_bytes=0,
        notes=("CPU of GET /checkout is not known: it awaits.",),
        sampler=SamplerActivity(asked_hz=100, samples=2901, duration_s=29.5, cpu_s=0.13),
    )


class Page(HTMLParser):
    """Elements, attributes, words, and what the style and script elements hold."""

    VOID = frozenset({"meta", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.held: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(dict(attrs).get("type") or tag if tag == "script" else tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() in (tag, "application/json")

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        if inside in ("script", "style", "application/json"):
            self.held[inside] = self.held.get(inside, "") + data
        else:
            self.words += data

    @property
    def data(self) -> dict[str, Any]:
        held = json.loads(self.held["application/json"])
        assert isinstance(held, dict)
        return held


def unpacked(data: dict[str, Any]) -> list[tuple[int, ...]]:
    """Stacks as they were before they were written in short."""
    numbers, place, before, found = data["stacks"], 0, [], []
    while place < len(numbers):
        shared, fresh = numbers[place : place + 2]
        before = [*before[:shared], *numbers[place + 2 : place + 2 + fresh]]
        found.append(tuple(before))
        place += 2 + fresh
    return found


def weights(data: dict[str, Any]) -> Counter[tuple[Any, ...]]:
    """Sum of each value type by stack (name, file, first line, line), thread and operation."""
    sums: Counter[tuple[Any, ...]] = Counter()
    for place, stack in enumerate(unpacked(data)):
        path = tuple(
            (
                data["names"][function],
                data["files"][data["file"][function]],
                data["first"][function],
                data["line"][frame],
            )
            for frame in stack
            for function in [data["function"][frame]]
        )
        where = (
            data["side"][place],
            data["threads"][data["thread"][place]],
            data["operations"][data["operation"][place]],
        )
        for column, kind in enumerate(data["types"]):
            sums[(path, *where, kind["name"])] += data["values"][column][place]
    return sums


def test_the_page_says_what_was_measured_noted_and_found() -> None:
    page = Page(flame_graph(profile(), title="shop under load", report=session()))
    assert page.open == []
    for words in (
        "shop under load",
        "29.50 s",
        "2,901",
        "98.3 Hz",
        "asked for 100 Hz",
        "0.44 %",
        "130 ms of CPU time",
        "10.0 ms",
        "3 × samples that came too late",
        "CPU of GET /checkout is not known",
        "The event loop was held",
        "execute held it for 212 ms.",
        "shop/database.py:24",
    ):
        assert words in page.words, words


def test_without_a_report_the_page_says_what_the_profile_knows() -> None:
    words = Page(flame_graph(profile())).words
    assert "100.0 Hzfrom the mean period" in words
    assert "Overhead" not in words


def test_nothing_is_loaded_from_anywhere() -> None:
    text = flame_graph(profile(), report=session(), difference=profile())
    page = Page(text)
    assert not re.search(r"https?://|url\(|@import", text)
    assert not {"link", "img", "iframe", "object", "base"} & set(page.tags)
    assert not {"src", "href", "srcset", "style"} & {name for name, _ in page.attributes}
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|eval|Function|innerHTML|import)\s*\(", text)


def test_the_security_policy_allows_the_page_s_own_script_and_style_alone() -> None:
    page = Page(flame_graph(profile()))
    policy = next(
        value for name, value in page.attributes if name == "content" and "default-src" in str(value)
    )
    assert policy
    for element, rule in (("script", "script-src"), ("style", "style-src")):
        digest = base64.b64encode(hashlib.sha256(page.held[element].encode()).digest()).decode()
        assert f"{rule} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", NASTY, ids=lambda name: repr(name[:12]))
def test_names_can_not_break_the_page(name: str) -> None:
    usual = Page(flame_graph(profile(), report=session()))
    frames = (Frame(name, name, 3, 1), Frame("main", "main.py", 1, 1))
    text = flame_graph(
        StackProfile(
            frames=frames,
            records=(StackRecord((1, 0), (1, 1, 1), name, name), StackRecord((1,), (1, 1, 1), "b", "c")),
            lost={name: 1},
        ),
        title=name,
    )
    page = Page(text)
    assert page.open == []
    assert set(page.tags) <= set(usual.tags)
    assert page.tags.count("script") == 2
    assert not any(key.startswith("on") for key, _ in page.attributes)
    assert page.held["script"] == usual.held["script"]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
    assert len(text.encode("utf-8")) < 100_000
    assert len(unpacked(page.data)) == 2


def test_a_profile_without_stacks_says_so() -> None:
    for empty in (
        StackProfile(),
        StackProfile(value_types=()),
        profile(records=(record((0,), 0),), value_types=(SAMPLES, CPU, WALL)),
    ):
        words = Page(flame_graph(empty)).words
        assert ("No stack was sampled" in words) == (not any(any(each.values) for each in empty.records))


names = st.sampled_from(("a", "b", "c"))
made = st.builds(
    lambda frames, records: StackProfile(
        value_types=(SAMPLES, WALL),
        frames=tuple(frames),
        records=tuple(
            StackRecord(tuple(index % len(frames) for index in stack), values, thread, operation)
            for stack, values, thread, operation in records
        ),
    ),
    st.lists(
        st.builds(
            Frame, names, st.sampled_from(("", "x.py", "lib/y.py")), st.integers(0, 5), st.integers(0, 3)
        ),
        min_size=1,
        max_size=8,
    ),
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 100), max_size=9),
            st.tuples(st.integers(1, 9), st.integers(0, 10**12)),
            names,
            names,
        ),
        max_size=20,
    ),
)


@given(made)
def test_every_weight_of_the_profile_is_in_the_page(given_profile: StackProfile) -> None:
    expected: Counter[tuple[Any, ...]] = Counter()
    for stack, values, thread, operation in given_profile.records:
        path = tuple(
            (frame.function, frame.file, frame.first_line, frame.line)
            for frame in (given_profile.frames[index] for index in stack)
        )
        for kind, value in zip(given_profile.value_types, values, strict=True):
            expected[(path, 0, thread, operation, kind.name)] += value
    assert weights(Page(flame_graph(given_profile)).data) == expected


def ten_thousand_stacks() -> StackProfile:
    choice = random.Random(1)
    frames = tuple(
        Frame(f"module_{place % 200}.function_{place}", f"/srv/app/module_{place % 200}.py", place + 2, place)
        for place in range(3000)
    )
    return StackProfile(
        frames=frames,
        records=tuple(
            StackRecord(
                tuple(choice.randrange(3000) for _ in range(25)),
                (1, choice.randrange(10**9), choice.randrange(10**9)),
                f"thread {place % 8}",
                f"operation {place % 20}",
            )
            for place in range(10_000)
        ),
    )


def test_ten_thousand_stacks_take_under_five_megabytes() -> None:
    text = flame_graph(ten_thousand_stacks())
    assert len(text.encode("utf-8")) < 5_000_000
    assert len(unpacked(Page(text).data)) == 10_000


@pytest.mark.slow  # it needs a processor of its own
def test_ten_thousand_stacks_take_under_half_a_second() -> None:
    large = ten_thousand_stacks()
    began = time.process_time()
    flame_graph(large)
    assert time.process_time() - began < 0.5


def test_recursion_of_ten_thousand_levels_is_written() -> None:
    frames = (Frame("main", "main.py", 2, 1), Frame("fall", "main.py", 7, 5))
    page = Page(flame_graph(StackProfile(frames=frames, records=(record((0, *[1] * 10_000), 5),))))
    assert [len(stack) for stack in unpacked(page.data)] == [10_001]


def rows(text: str) -> list[list[str]]:
    body = text.rsplit("<tbody>", maxsplit=1)[-1].split("</tbody>", maxsplit=1)[0]
    return [
        [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in body.split("</tr>")[:-1]
    ]


def test_without_javascript_the_heaviest_functions_are_in_a_table() -> None:
    assert rows(flame_graph(profile())) == [
        ["dumps", "json/__init__.py:183", "library", "7.00 ms", "70.0 %", "7.00 ms", "70.0 %"],
        ["execute", "engine.py:1400", "library", "2.00 ms", "20.0 %", "2.00 ms", "20.0 %"],
        ["checkout", "views.py:30", "own", "1.00 ms", "10.0 %", "10.0 ms", "100.0 %"],
        ["main", "main.py:10", "own", "0 ms", "0.0 %", "10.0 ms", "100.0 %"],
    ]


def test_a_function_that_calls_itself_is_counted_once() -> None:
    frames = (Frame("fall", "main.py", 7, 5), Frame("fall", "main.py", 8, 5))
    table = rows(flame_graph(StackProfile(frames=frames, records=(record((0, 1, 0, 1), 5_000_000),))))
    assert table == [["fall", "main.py:5", "own", "5.00 ms", "100.0 %", "5.00 ms", "100.0 %"]]


@pytest.mark.parametrize(
    ("clock", "shown"), [("", "1.00 ms"), ("wall", "2.00 ms"), ("samples", "1"), ("unheard of", "1.00 ms")]
)
def test_the_clock_that_is_asked_for_comes_first(clock: str, shown: str) -> None:
    text = flame_graph(profile(), clock=clock)
    assert next(row for row in rows(text) if row[0] == "checkout")[3] == shown


def test_a_profile_without_cpu_time_begins_with_what_it_has() -> None:
    only = StackProfile(
        value_types=(SAMPLES, CPU, ALLOCATED), frames=FRAMES, records=(StackRecord((0,), (1, 0, 3 * 2**20)),)
    )
    assert rows(flame_graph(only))[0][3] == "3.0 MiB"


def test_a_unit_nobody_knows_is_written_out() -> None:
    kind = CPU._replace(name="cost", unit="<b>µUSD</b>")
    only = StackProfile(value_types=(kind,), frames=FRAMES, records=(StackRecord((0,), (1234,)),))
    assert rows(flame_graph(only))[0][3] == "1,234 &lt;b&gt;µUSD&lt;/b&gt;"


def test_functions_that_only_moved_are_one_in_a_comparison() -> None:
    before = StackProfile(
        frames=(Frame("checkout", "/old/place/shop/views.py", 12, 8),), records=(record((0,), 4),)
    )
    data = Page(flame_graph(profile(), difference=before)).data
    assert data["compared"]
    assert data["names"].count("checkout") == 1
    assert [data["side"].count(side) for side in (0, 1)] == [3, 1]


def test_profiles_that_measured_nothing_in_common_are_refused() -> None:
    other = StackProfile(value_types=(ALLOCATED,))
    with pytest.raises(InvalidInputError, match=r"alloc in bytes before, samples in count.* after; compare"):
        flame_graph(profile(), difference=other)


@pytest.mark.parametrize("stack", [(0, 5), (-1,)])
def test_a_stack_with_a_frame_that_is_not_there_is_refused(stack: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInputError, match=r"a stack names frame -?\d, its profile has 5"):
        flame_graph(profile(records=(record(stack, 1),)))


def test_a_stack_with_too_few_values_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="1 values, its profile 3 value types"):
        flame_graph(profile(records=(StackRecord((0,), (1,)),)))


def test_negative_weights_count_as_nothing_and_the_page_says_so() -> None:
    page = Page(flame_graph(profile(records=(record((0,), 4), record((1,), -4)))))
    assert "1 negative weights count as 0" in page.words
    assert page.data["values"][1] == [4, 0]


def test_what_does_not_fit_is_added_up_by_thread_and_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flame_graph_data, "MOST_FRAMES", 4)
    records = (
        record((0, 1, 2), 50),
        record((0, 2), 8, "a", "x"),
        record((0, 3), 7, "a", "x"),
        record((0, 4), 6, "b", "x"),
    )
    page = Page(flame_graph(profile(records=records)))
    assert "3 of 4 stacks, the lightest, are shown as one frame." in page.words
    kept = {
        (key[2], key[3], len(key[0])): value for key, value in weights(page.data).items() if key[4] == "cpu"
    }
    assert kept == {("MainThread", "", 3): 50, ("a", "x", 1): 15, ("b", "x", 1): 6}


def test_no_part_of_the_page_is_long() -> None:
    folder = files("genesis_performance.render")
    parts = [part for part in folder.iterdir() if part.name.startswith("flame_graph")]
    assert len(parts) == 7
    assert all(len(part.read_text(encoding="utf-8").splitlines()) <= 500 for part in parts)


def _contrast(first: str, second: str) -> float:
    """Contrast ratio of WCAG 2.2, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_labels_on_frames_have_the_contrast_of_wcag_aa(theme: int) -> None:
    blocks = flame_graph(profile()).split(":root {")[1:]
    colours = {}
    for block in (blocks[theme], blocks[2 + theme]):  # the report's, then the flame graph's
        colours |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block.split("}")[0]))
    fills = [f"own{shade}" for shade in range(6)] + [f"library{shade}" for shade in range(4)]
    fills += [f"{way}{step}" for way in ("up", "down") for step in range(3)]
    for fill in (*fills, "same"):
        assert _contrast(colours["frame-text"], colours[fill]) >= 4.5, fill
    assert _contrast(colours["pin-text"], colours["hit"]) >= 4.5
    assert _contrast(colours["soft"], colours["mute"]) >= 4.5
    assert _contrast(colours["hit"], colours["mute"]) >= 3
    assert _contrast(colours["text"], colours["tip"]) >= 4.5
    for ink in ("bad", "link"):  # of changes in the table
        assert _contrast(colours[ink], colours["card"]) >= 4.5
