"""The environment of the comparisons: the peers as pinned, beside this package from the work tree.

It is kept in ``.genesis/bench-monitor-peers`` until the pins or the interpreter change. Our dependencies come
into it at their locked versions, so that the peers and we share one gRPC and one protobuf.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PINS = Path(__file__).with_name("peers.txt")
FOLDER = ROOT / ".genesis" / "bench-monitor-peers"
OURS = ("psutil", "msgspec", "PyYAML", "google-auth", "google-cloud-monitoring")
INSTALL_S = 180


@dataclass
class Peers:
    """A Python with the peers; ``missing`` says why a peer is not among them."""

    folder: Path
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"


def prepare() -> Peers:
    """Make or find the environment and install what is pinned; what does not install is named.

    Raises:
        SystemExit: our own dependencies do not install.
    """
    peers = Peers(FOLDER)
    stamp = FOLDER / "bench.stamp"
    wanted = PINS.read_text() + sys.version + sys.base_prefix
    if stamp.exists() and stamp.read_text() == wanted:
        return peers
    note("making the peers' environment")
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(FOLDER)], check=True)
    if reason := _install(*OURS, "--constraint", str(ROOT / "requirements.lock")):
        sys.exit(f"{', '.join(OURS)} do not install: {reason}")
    for pin in PINS.read_text().splitlines():
        if pin and not pin.startswith("#") and (reason := _install(pin)):
            peers.missing[pin.partition("==")[0]] = reason
    if not peers.missing:
        stamp.write_text(wanted)
    return peers


def note(text: str) -> None:
    """Progress, where it does not mix with the figures."""
    print(f"  {text}", file=sys.stderr, flush=True)


def _install(*what: str) -> str:
    """The reason where it fails."""
    command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", *what]
    environment = os.environ | {
        "VIRTUAL_ENV": str(FOLDER),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_SYSTEM_CERTS": "1",
    }
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=INSTALL_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{error}"
    return "" if done.returncode == 0 else " ".join(done.stderr.split())[:300]
