"""The flame graph page in a browser: it draws, filters, searches, zooms and obeys the keyboard."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from genesis_performance.model.stacks import Frame, StackProfile, StackRecord
from genesis_performance.render.flame_graph import flame_graph

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]

ANSWER_S = 60
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
)  # fmt: skip
# The browser reads its orders from descriptor 3 and answers on 4.
LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)


class Browser:
    """One tab, driven over the DevTools protocol through a pipe."""

    def __init__(self, folder: Path) -> None:
        pairs = (os.pipe(), os.pipe())
        orders, answers = (tuple(fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in pair) for pair in pairs)
        for end in (*pairs[0], *pairs[1]):
            os.close(end)
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(orders[0]), str(answers[1]), CHROMIUM, *OPTIONS,
             f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(orders[0], answers[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(orders[0])
        os.close(answers[1])
        self._out, self._in = orders[1], answers[0]
        self._read, self._count, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        tabs = self.call("Target.getTargets")["targetInfos"]
        tab = next(each["targetId"] for each in tabs if each["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}]
        )
        self.size(1280, 1000)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        order: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            order["sessionId"] = self._session
        os.write(self._out, json.dumps(order).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == self._count:
                assert "error" not in message, message
                return dict(message["result"])
            self.events.append(message)

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            assert select.select([self._in], [], [], ANSWER_S)[0], "the browser does not answer"
            more = os.read(self._in, 1 << 20)
            assert more, "the browser ended"
            self._read += more
        first, self._read = self._read.split(b"\0", 1)
        return dict(json.loads(first))

    def size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2,
            mobile=False,
        )

    def open(self, page: Path, **choices: str) -> None:
        self.events.clear()
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=f"{page.as_uri()}#{urlencode(choices)}")
        self.js(
            "new Promise(done => document.readyState == 'complete' ? done() : addEventListener('load', done))"
        )
        self.painted()

    def painted(self) -> None:
        self.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))")

    def js(self, expression: str) -> Any:
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def text(self, place: str) -> str:
        return str(self.js(f"document.querySelector({json.dumps(place)}).innerText"))

    def press(self, *keys: str) -> None:
        for key in keys:
            for kind in ("keyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)
        self.painted()

    def click(self, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.painted()

    def pixel(self, x: float, y: float) -> list[int]:
        """Colour that the canvas has at a share of its width and height."""
        copy = (
            "(one => { one.canvas.width = one.canvas.height = 1;"
            f"one.drawImage(canvas, canvas.width * {x}, canvas.height * {y}, 1, 1, 0, 0, 1, 1);"
            "return [...one.getImageData(0, 0, 1, 1).data] })"
            "(document.createElement('canvas').getContext('2d', { willReadFrequently: true }))"
        )
        return list(self.js(copy))

    @property
    def complaints(self) -> list[dict[str, Any]]:
        wrong = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
        return [event for event in self.events if event.get("method") in wrong]

    @property
    def loaded(self) -> set[str]:
        requests = (
            e["params"]["request"]["url"]
            for e in self.events
            if e.get("method") == "Network.requestWillBeSent"
        )
        return {url.split("#")[0] for url in requests}

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(ANSWER_S)
        os.close(self._out)
        os.close(self._in)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("browser"))
    yield started
    started.close()


FRAMES = (
    Frame("main", "/srv/shop/main.py", 12, 10),
    Frame("checkout", "/srv/shop/views.py", 31, 30),
    Frame("checkout", "/srv/shop/views.py", 33, 30),
    Frame("dumps", "/usr/lib/python3.11/json/__init__.py", 231, 183),
    Frame("execute", "/srv/.venv/lib/python3.11/site-packages/sqlalchemy/engine.py", 1405, 1400),
)


def record(stack: tuple[int, ...], cpu: int, thread: str = "MainThread", operation: str = "") -> StackRecord:
    return StackRecord(stack, (1, cpu * 1_000_000, 3_000_000), thread, operation)


SHOP = StackProfile(
    frames=FRAMES,
    records=(
        record((0, 1), 1, operation="GET /checkout"),
        record((0, 2, 3), 7, operation="GET /checkout"),
        record((0, 1, 4), 2, thread="worker", operation="POST /cart"),
    ),
    duration_s=1.0,
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return written(tmp_path, SHOP)


def written(folder: Path, profile: StackProfile, **more: Any) -> Path:
    page = folder / "page.html"
    page.write_text(flame_graph(profile, **more), encoding="utf-8")
    return page


def test_the_page_draws_without_complaint_and_loads_itself_alone(browser: Browser, shop: Path) -> None:
    browser.open(shop)
    assert browser.text("#status") == "all · Total 10.0 ms (100.0 %) · self 0 ms (0.0 %)"
    assert browser.pixel(0.2, 0.9)[3] == 255  # the root, at the bottom
    assert browser.pixel(0.95, 0.05)[3] == 0  # nothing lies on the lightest stack
    assert not browser.complaints
    assert browser.loaded - {"about:blank"} == {shop.as_uri()}


def test_an_icicle_has_its_root_at_the_top(browser: Browser, shop: Path) -> None:
    browser.open(shop, view="icicle")
    assert browser.pixel(0.95, 0.05)[3] == 255
    assert browser.pixel(0.95, 0.95)[3] == 0


@pytest.mark.parametrize(
    ("choices", "total"),
    [
        ({}, "10.0 ms"),
        ({"op": "GET /checkout"}, "8.00 ms"),
        ({"thread": "worker"}, "2.00 ms"),
        ({"op": "GET /checkout", "thread": "worker"}, "0 ms"),
        ({"clock": "wall"}, "9.00 ms"),
        ({"clock": "samples"}, "3"),
        ({"op": "no such", "clock": "none", "zoom": "77", "fn": "-", "sort": "x"}, "10.0 ms"),
    ],
    ids=str,
)
def test_the_address_chooses_clock_operation_and_thread(
    browser: Browser, shop: Path, choices: dict[str, str], total: str
) -> None:
    browser.open(shop, **choices)
    assert browser.text("#status").startswith(f"all · Total {total} (")
    assert not browser.complaints


def test_a_choice_changes_the_graph_the_table_and_the_address(browser: Browser, shop: Path) -> None:
    browser.open(shop)
    browser.js("$('op').value = '1'; $('op').dispatchEvent(new Event('change'))")
    chosen = browser.js("$('op').selectedOptions[0].text")
    assert chosen in ("GET /checkout · 80.0 %", "POST /cart · 20.0 %")
    assert urlencode({"op": chosen.split(" ·")[0]}) in browser.js("location.hash")
    assert ("execute" in browser.text("#functions")) == chosen.startswith("POST")


def test_the_search_adds_up_what_it_finds_once(browser: Browser, shop: Path) -> None:
    browser.open(shop, q="views.PY")
    assert (
        browser.text("#found") == "“views.PY” is in 1 function that took 10.0 ms, 100.0 % of what is shown."
    )
    browser.open(shop, q="s")  # every file; main is above all of them
    assert "10.0 ms, 100.0 %" in browser.text("#found")
    browser.open(shop, q="dumps")
    assert "7.00 ms, 70.0 %" in browser.text("#found")
    assert browser.js("$('functions').tBodies[0].rows.length") == 1


def test_a_click_zooms_and_selects(browser: Browser, shop: Path) -> None:
    browser.open(shop)
    left, top, wide, high = browser.js(
        "(r => [r.left, r.top, r.width, r.height])(stage.getBoundingClientRect())"
    )
    browser.click(left + wide * 0.3, top + high * 0.15)
    assert browser.text("#crumbs").split("\n") == ["all", "main", "checkout", "dumps"]
    assert browser.text("#chosen-name") == "dumps"
    assert browser.text("#tip").split("\n")[0] == "dumps"
    browser.js("document.querySelector('#crumbs button').click()")
    assert browser.text("#crumbs") == "all"


def test_the_keyboard_reaches_every_frame(browser: Browser, shop: Path) -> None:
    browser.open(shop)
    browser.js("stage.focus()")
    browser.press("ArrowUp", "ArrowUp", "ArrowUp")
    assert browser.text("#said").startswith(
        "dumps · /usr/lib/python3.11/json/__init__.py:183 · library · Total 7.00 ms"
    )
    browser.press("ArrowRight")
    assert browser.text("#said").startswith("execute · ")
    browser.press("Enter")
    assert browser.text("#crumbs").split("\n") == ["all", "main", "checkout", "execute"]
    browser.press("Escape")
    assert browser.text("#crumbs").split("\n") == ["all", "main", "checkout"]
    browser.press("Home")
    assert browser.text("#crumbs") == "all"
    browser.press("ArrowDown", "ArrowLeft")
    assert not browser.complaints


def test_the_selected_function_is_told_by_line_caller_and_callee(browser: Browser, shop: Path) -> None:
    browser.open(shop, fn="checkout")
    assert browser.text("#lines").replace("\t", " ").split("\n") == [
        "31 1.00 ms 3.00 ms 30.0 %",
        "33 0 ms 7.00 ms 70.0 %",
    ]
    assert browser.text("#callers").split() == ["main", "100.0", "%"]
    assert browser.text("#callees").split() == ["dumps", "70.0", "%", "execute", "20.0", "%"]


def test_the_table_is_sorted_by_its_heads(browser: Browser, shop: Path) -> None:
    browser.open(shop)
    names = "[...document.querySelectorAll('#functions tbody button')].map(each => each.innerText)"
    assert browser.js(names) == ["dumps", "execute", "checkout", "main"]
    browser.js("document.querySelector('[data-key=name]').click()")
    assert browser.js(names) == ["checkout", "dumps", "execute", "main"]
    assert browser.js("document.querySelector('[aria-sort=ascending]').innerText").startswith("Function")
    browser.js("document.querySelector('[data-key=name]').click()")
    assert browser.js(names) == ["main", "execute", "dumps", "checkout"]


def test_reset_brings_back_the_beginning(browser: Browser, shop: Path) -> None:
    browser.open(shop, q="dumps", view="icicle", clock="wall", thread="worker", fn="main")
    browser.js("new Promise(done => { $('reset').click(); setTimeout(done) })")
    assert browser.js("location.hash") in ("", "#")
    assert browser.js("[$('q').value, $('clock').value, $('thread').value, $('chosen').hidden]") == [
        "",
        "cpu",
        "",
        True,
    ]


def test_a_comparison_tells_what_changed(browser: Browser, tmp_path: Path) -> None:
    before = StackProfile(frames=FRAMES, records=(record((0, 1), 5), record((0, 2, 3), 5)))
    browser.open(written(tmp_path, SHOP, difference=before))
    table = [row.split("\t") for row in browser.text("#functions tbody").split("\n")]
    assert {row[0]: row[-2:] for row in table} == {
        "checkout": ["−40.0", "+0.0"],
        "dumps": ["+20.0", "+20.0"],
        "execute": ["+20.0", "+20.0"],
        "main": ["+0.0", "+0.0"],
    }
    grew, same = browser.pixel(0.65, 0.15), browser.pixel(0.65, 0.9)
    assert grew[0] > grew[2] + 60  # red
    assert abs(same[0] - same[2]) < 30  # grey
    assert not browser.complaints


def test_recursion_of_ten_thousand_levels_is_drawn_and_can_be_merged(
    browser: Browser, tmp_path: Path
) -> None:
    deep = StackProfile(frames=FRAMES, records=(record((0, *[1, 2] * 5_000), 5), record((0,), 1)))
    page = written(tmp_path, deep)
    browser.open(page, view="icicle")
    browser.js("stage.scrollTop = 9_990 * 20")
    browser.painted()
    assert browser.pixel(0.2, 0.5)[3] == 255
    browser.open(page, merge="true", fn="checkout")
    assert browser.js("rows()") == 3
    assert browser.text("#chosen-place").endswith("total 83.3 %, self 83.3 %")
    assert not browser.complaints


@pytest.mark.slow  # it needs a processor of its own
def test_ten_thousand_stacks_open_and_draw_within_two_seconds(browser: Browser, tmp_path: Path) -> None:
    frames = tuple(
        Frame(f"function_{place}", f"/srv/m{place % 99}.py", place, place) for place in range(2000)
    )
    records = tuple(
        record(tuple((first * 7919 + level * level * first) % 2000 for level in range(25)), 1)
        for first in range(10_000)
    )
    page = written(tmp_path, StackProfile(frames=frames, records=records))
    began = time.monotonic()
    browser.open(page)
    took = time.monotonic() - began
    assert browser.pixel(0.5, 0.99)[3] == 255
    assert took < 2


def test_hostile_names_are_shown_as_text(browser: Browser, tmp_path: Path) -> None:
    names = (
        "<img src=x onerror=alert(1)>",
        "</script><script>alert(1)</script>",
        "a\x00b",
        "\ud800",
        "x" * 10_240,
        "🛒",
        "",
    )
    frames = tuple(Frame(name, name, 1, 1) for name in names)
    hostile = StackProfile(
        frames=frames,
        records=tuple(record(tuple(range(end + 1)), 1, name, name) for end, name in enumerate(names)),
    )
    browser.size(320, 800)
    browser.open(written(tmp_path, hostile, title=names[1]), fn=names[0])
    assert browser.text("#chosen-name") == names[0]
    assert browser.js("document.images.length + document.scripts.length") == 2
    assert browser.js("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert not browser.complaints
    browser.size(1280, 1000)


def test_the_page_fits_a_width_of_320_pixels(browser: Browser, shop: Path) -> None:
    browser.size(320, 800)
    browser.open(shop, fn="checkout", q="e")
    assert browser.js("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    browser.size(1280, 1000)


def test_every_control_has_a_name(browser: Browser, shop: Path) -> None:
    browser.open(shop, fn="checkout", zoom="2")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    controls = [
        node
        for node in nodes
        if node.get("role", {}).get("value")
        in ("button", "combobox", "searchbox", "checkbox", "application", "table")
        and not node.get("ignored")
    ]
    assert len(controls) > 12
    nameless = [node["role"]["value"] for node in controls if not node.get("name", {}).get("value")]
    assert not nameless


def test_a_profile_without_stacks_shows_no_empty_graph(browser: Browser, tmp_path: Path) -> None:
    browser.open(written(tmp_path, StackProfile()))
    assert "No stack was sampled" in browser.text("body")
    assert browser.js("$('graph').hidden")
    assert not browser.complaints
