"""The environment of the measurements: the peers as pinned, and this package built as a user gets it.

It is kept in ``.genesis/bench-peers`` until the pins or the interpreter change; this package is built anew
each time, from a copy, so that nothing is left in the work tree.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PINS = Path(__file__).with_name("peers.txt")
FOLDER = ROOT / ".genesis" / "bench-peers"
BUILT_FROM = ("src", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
PROGRAMS = {
    "austin-dist": "austin",
    "py-spy": "py-spy",
}  # programs of their own: installed is not yet running
INSTALL_S = 180


@dataclass
class Peers:
    """A Python with the peers; ``missing`` says why a peer is not among them."""

    folder: Path
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)


def prepare() -> Peers:
    """Make or find the environment, install what is pinned and this package.

    Raises:
        SystemExit: this package does not build, or comes without its compiled core.
    """
    if shutil.which("gcc") is None and shutil.which("cc") is None:
        sys.exit("the bench compiles the floor and the core: it needs gcc. On Debian: apt-get install gcc")
    peers = Peers(FOLDER)
    stamp = FOLDER / "bench.stamp"
    wanted = PINS.read_text() + sys.version + sys.base_prefix
    if not stamp.exists() or stamp.read_text() != wanted:
        note("making the peers' environment")
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", FOLDER], check=True)
    for line in PINS.read_text().splitlines():
        if line and not line.startswith("#"):
            _install_peer(peers, line.split())
    if not peers.missing:
        stamp.write_text(wanted)
    _install_ours(peers)
    return peers


def note(text: str) -> None:
    """Progress, where it does not mix with the figures."""
    print(f"  {text}", file=sys.stderr, flush=True)


def _install_peer(peers: Peers, pins: list[str]) -> None:
    name = pins[0].partition("==")[0]
    for pin in pins:
        reason = _uv(peers, pin) or _does_not_run(peers, PROGRAMS.get(name))
        if not reason:
            return
        note(f"{pin}: {reason}")
    peers.missing[name] = reason


def _does_not_run(peers: Peers, program: str | None) -> str:
    if program is None:
        return ""
    done = subprocess.run([peers.program(program), "--version"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["does not run"])[-1]


def _install_ours(peers: Peers) -> None:
    note("building genesis-performance")
    with tempfile.TemporaryDirectory(prefix="genesis-bench-") as folder:
        copy = Path(folder)
        for name in BUILT_FROM:
            source = ROOT / name
            if source.is_dir():
                unbuilt = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")
                shutil.copytree(source, copy / name, ignore=unbuilt)
            elif source.exists():
                shutil.copy(source, copy / name)
        reason = _uv(peers, "--reinstall-package", "genesis-performance", str(copy))
    if reason:
        sys.exit(f"genesis-performance does not install into the peers' environment: {reason}")
    core = subprocess.run(
        [peers.python, "-c", "from genesis_performance.operations import CORE; print(CORE)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    if core != "compiled":
        sys.exit(f"the package that was built has the {core} core; are gcc and Python's headers there?")


def _uv(peers: Peers, *what: str) -> str:
    """Install; the reason where that fails."""
    uv = Path(sys.executable).with_name("uv")
    environment = os.environ | {
        "VIRTUAL_ENV": str(peers.folder),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_SYSTEM_CERTS": "1",
    }
    try:
        done = subprocess.run(
            [uv, "pip", "install", "--quiet", *what],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{error}"
    return "" if done.returncode == 0 else " ".join(done.stderr.split())[:300]
