"""``./run bench PART [--data DIR] [--json FILE]``: measure a part and print its figures.

A part is a folder here with a module ``measure`` whose ``rows(data)`` yields Row values.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
from pathlib import Path

from bench.row import Row

PARTS = sorted(path.parent.name for path in Path(__file__).parent.glob("*/measure.py"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--data", type=Path, help="a folder with the parts' data files; it only scores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    options = parser.parse_args()
    rows: list[Row] = []
    for row in importlib.import_module(f"bench.{options.part}.measure").rows(options.data):
        rows.append(row)
        print(line(row), flush=True)
    if options.json:
        options.json.write_text(json.dumps([dataclasses.asdict(row) for row in rows], indent=2) + "\n")
    return 1 if any(row.holds is False for row in rows) else 0


def line(row: Row) -> str:
    verdict = {True: "holds", False: "MISSED", None: ""}[row.holds]
    return f"{row.figure:<62} {row.value:>10.2f} {row.unit:<9} {row.goal:<9} {verdict}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
