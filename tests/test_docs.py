"""The documentation is current, complete, and its code is real."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import msgspec
import pytest

from genesis_performance.config import loading
from genesis_performance.config.section import Section

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md")
    for path in ROOT.glob(pattern)
)


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("genesis_docs_generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FENCED = re.compile(r"(<!-- runnable -->\n)?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANY_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    page: Path
    line: int
    text: str
    runnable: bool


def _blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for match in FENCED.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(page, line, match[2], match[1] is not None))
    return found


BLOCKS = _blocks()


def test_the_generated_pages_are_current() -> None:
    stale = _generator().stale()
    assert not stale, f"write them anew with ./run docs: {', '.join(stale)}"


def test_the_check_of_the_generator_is_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "docs.generate", "--check"], cwd=ROOT, check=False, timeout=120
    )
    assert done.returncode == 0


@pytest.mark.parametrize("section", loading.SECTIONS, ids=lambda section: section.NAME)
def test_every_setting_is_documented(section: type[Section]) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    table = page.split(f"\n## {section.NAME}\n")[1].split("\n## ")[0]
    for field in msgspec.structs.fields(section):
        row = re.search(rf"^\| `{field.name}` \|.*$", table, re.MULTILINE)
        assert row, field.name
        assert all(cell.strip() for cell in row[0].strip("|").split(" | ")), row[0]


def test_every_variable_is_documented() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert not [variable for variable in loading.VARIABLES if f"`{variable}`" not in page]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = ANY_FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    text = re.sub(r"`[^`\n]*`", "", text)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target) or target.startswith("#"):
            continue
        assert ((ROOT / page).parent / target.partition("#")[0]).exists(), target


def test_every_guide_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    guides = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "index.md"]
    assert not [guide for guide in guides if f"({guide})" not in index]


def test_every_decision_is_in_the_list() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = (folder / "README.md").read_text(encoding="utf-8")
    pages = [path.name for path in folder.glob("0*.md")]
    assert len(pages) >= 10
    assert not [page for page in pages if f"({page})" not in listed]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_code_compiles(block: Block) -> None:
    compile(block.text, f"{block.page}:{block.line}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.runnable], ids=lambda block: f"{block.page}:{block.line}"
)
def test_runnable_code_runs(block: Block, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.text],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_readme_begins_with_the_two_commands() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:8]
    assert any("./run demo" in line for line in first)
    assert any("./run test" in line for line in first)
