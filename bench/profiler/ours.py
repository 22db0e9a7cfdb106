"""A workload under a session of ours: ``python ours.py REPORT WORKLOAD OUT SECONDS [SIZES]``.

Runs in the peers' environment. The report is written as the other tools write theirs: stacks with weights.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from genesis_performance import PerformanceProfiler, ProfilerConfig


def main() -> None:
    report_path, workload = Path(sys.argv.pop(1)), Path(sys.argv.pop(1))
    sys.path.insert(0, str(workload.parent))
    module = importlib.import_module(workload.stem)
    profiler = PerformanceProfiler(ProfilerConfig(enable_persistent_storage=False))
    profile_id = profiler.start_profiling()
    try:
        module.run(module.main)
    finally:
        report = profiler.stop_profiling(profile_id)
    stacks, sampler = report.stacks, report.sampler
    if stacks is None or sampler is None:
        sys.exit(f"the session took no stacks: {'; '.join(report.notes)}")
    cpu, wall = stacks.column("cpu"), stacks.column("wall")
    body = {
        "stacks": [
            {
                "functions": [stacks.frames[index].function for index in record.stack],
                "cpu": record.values[cpu],
                "wall": record.values[wall],
            }
            for record in stacks.records
        ],
        "samples": sampler.samples,
        "overhead_percent": sampler.overhead_percent,
        "rate_hz": sampler.rate_hz,
    }
    report_path.write_text(json.dumps(body))


if __name__ == "__main__":
    main()
