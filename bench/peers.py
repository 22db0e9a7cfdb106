"""The environment of a part's comparisons: the peers as pinned, beside this package from the work tree.

It is kept in ``.genesis/bench-PART-peers`` until the pins or the interpreter change. Our dependencies come
into it at their locked versions, so that what the peers and we share is the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
INSTALL_S = 180


@dataclass
class Peers:
    """A Python with the peers; ``missing`` says why a peer is not among them."""

    folder: Path
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def environment(self) -> dict[str, str]:
        """No setting of the caller's, this package from the tree."""
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("GENESIS_", "SECRET_"))
        }
        return kept | {"PYTHONPATH": str(ROOT / "src")}


def prepare(part: str, ours: tuple[str, ...]) -> Peers:
    """Make or find the environment and install what is pinned; what does not install is named.

    Args:
        part: a folder of the bench with a ``peers.txt``.
        ours: dependencies of this package that the part needs.

    Raises:
        SystemExit: our own dependencies do not install.
    """
    pins = (Path(__file__).parent / part / "peers.txt").read_text()
    peers = Peers(ROOT / ".genesis" / f"bench-{part}-peers")
    stamp = peers.folder / "bench.stamp"
    wanted = pins + sys.version + sys.base_prefix
    if stamp.exists() and stamp.read_text() == wanted:
        return peers
    note("making the peers' environment")
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", peers.folder], check=True)
    if reason := _install(peers.folder, *ours, "--constraint", str(ROOT / "requirements.lock")):
        sys.exit(f"{', '.join(ours)} do not install: {reason}")
    for pin in pins.splitlines():
        if pin and not pin.startswith("#") and (reason := _install(peers.folder, pin)):
            peers.missing[pin.partition("==")[0]] = reason
    if not peers.missing:
        stamp.write_text(wanted)
    return peers


def note(text: str) -> None:
    """Progress, where it does not mix with the figures."""
    print(f"  {text}", file=sys.stderr, flush=True)


def _install(folder: Path, *what: str) -> str:
    """The reason where it fails."""
    command = [Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", *what]
    environment = os.environ | {
        "VIRTUAL_ENV": str(folder),
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
