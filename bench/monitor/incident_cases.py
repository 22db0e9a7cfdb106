"""Incidents on labelled traffic: ``python -m bench.monitor.incident_cases SCENARIOS``; prints JSON."""

from __future__ import annotations

import json
import logging
import statistics
import sys
import tempfile
from pathlib import Path

from bench.monitor import traffic


def main() -> None:
    logging.disable(logging.WARNING)  # clocks are set on purpose
    with tempfile.TemporaryDirectory(prefix="genesis-bench-") as folder:
        outcomes = []
        for number, scenario in enumerate(traffic.scenarios(int(sys.argv[1]))):
            place = Path(folder) / f"{number}"
            place.mkdir()
            outcomes.append(traffic.play(scenario, place))
    found = [after_s for one in outcomes for after_s in one.found_after_s]
    closed = [after_s for one in outcomes for after_s in one.closed_after_s]
    print(
        json.dumps(
            {
                "scenarios": len(outcomes),
                "faults": sum(len(one.scenario.faults) for one in outcomes),
                "missed": sum(len(one.missed) for one in outcomes),
                "late": sum(after_s > traffic.WINDOW_S for after_s in found),
                "false": sum(len(one.false) for one in outcomes),
                "flaps": sum(one.flaps for one in outcomes),
                "median_s": statistics.median(found),
                "slowest_s": max(found),
                "unclosed": sum(len(one.scenario.faults) for one in outcomes) - len(closed),
                "closed_s": statistics.median(closed),
            }
        )
    )


if __name__ == "__main__":
    main()
