"""The stories with real processes: a short one in every run, the whole one in slow runs."""

import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from genesis_performance.demo import shop_story
from genesis_performance.demo.report import write_report
from genesis_performance.demo.screen import PlainScreen

COMMAND = [sys.executable, "-u", "-m", "genesis_performance.cli.main", "demo"]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_operations_appear_and_metrics_land(tmp_path: Path) -> None:
    out = io.StringIO()
    with shop_story.ShopStage(PlainScreen("demo", out)) as stage:
        stage.set_up()
        for step in (shop_story.APPEAR, shop_story.LAND, shop_story.ALERT):
            stage.play(step)
        write_report(stage, tmp_path / "out" / "report.html", title="t", notice="n", headline="h")
        traffic, pid, folder = stage.traffic, stage.process.pid, stage.folder
        assert traffic is not None
        assert not stage.traffic.failed
        assert list((folder / "metrics").iterdir()), "nothing of it is left elsewhere"
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "POST /checkout/{cart_id}" in page
    assert not alive(pid)
    assert not folder.exists()
    assert [event.kind for event in stage.screen.events][-4:] == ["DEPLOY", "LIVE", "METRICS", "ALERT"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_everything(tmp_path: Path, number: signal.Signals, code: int) -> None:
    command = [*COMMAND, "--report", str(tmp_path / "r.html")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as child:
        assert child.stdout is not None
        pids = []
        for line in child.stdout:
            pids += [int(found) for found in re.findall(r"process (\d+)", line)]
            if " LIVE " in line:
                break
        child.send_signal(number)
        rest = child.stdout.read()
        assert child.wait(60) == code, rest
    assert pids
    assert not any(map(alive, pids))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("app", ["shop", "datasette"])
def test_the_whole_story_happens(tmp_path: Path, app: str) -> None:
    done = subprocess.run(
        [*COMMAND, "--app", app], capture_output=True, text=True, cwd=tmp_path, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    page = (tmp_path / "demo-out" / "report.html").read_text(encoding="utf-8")
    if app == "shop":
        kinds = re.findall(r"^ *\+\d+s  ([A-Z]+)", done.stdout, re.MULTILINE)
        story = ["REGRESSION", "INCIDENT", "CAUSE", "FIX", "DEPLOY", "CONFIRMED", "CLOSED", "DONE"]
        assert [kind for kind in kinds if kind in story][-len(story) :] == story
        assert "demo/shop/pricing_v2.py" in page


def test_a_step_that_fails_ends_with_1_and_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from genesis_performance.demo import play, stage

    def broken(_self: object) -> None:
        raise stage.StepFailedError("step 'the incident opens' did not happen within 45 s")

    monkeypatch.setattr(shop_story.ShopStage, "set_up", broken)
    assert play.play("shop", tmp_path / "r.html", live=False) == 1
    out = capsys.readouterr().out
    assert "FAILED" in out
    assert "step 'the incident opens' did not happen" in out
