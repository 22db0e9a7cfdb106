"""The shop as a process of its own: ``python -m genesis_performance.demo.shop --release v1 --port 8000``."""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn

from ... import runtime
from ..lifeline import end_with_parent
from .app import create_app
from .releases import RELEASES, load_pricing

HISTORY_INTERVAL_S = 2.0
"""Between two records of the history: the screen and the comparison of releases live on them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", choices=sorted(RELEASES), required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", type=Path, required=True)
    arguments = parser.parse_args()
    end_with_parent()
    running = runtime.start(
        "shop", environment="demo", release=arguments.release, interval_s=HISTORY_INTERVAL_S
    )
    app = create_app(running, load_pricing(arguments.release), arguments.database)
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
