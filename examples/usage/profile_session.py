"""A session over two operations: the hottest function of each, and a file to look into later.

The same without a line of code: genesis-perf profile run examples/usage/profile_session.py
"""

import hashlib
import time
from pathlib import Path

from core.performance.frames import of_operation, self_times
from core.performance.profiler.session_file import write_session

from core.performance import PerformanceProfiler, ProfilerConfig

SECONDS = 0.5
FILE = Path("checkout-session.json.gz")


def price(ends: float) -> int:
    total = 0
    while time.process_time() < ends:
        total += sum(range(1000))
    return total


def sign(ends: float) -> str:
    digest = b""
    while time.process_time() < ends:
        digest = hashlib.sha256(digest * 1000).digest()
    return digest.hex()


def main() -> None:
    profiler = PerformanceProfiler(ProfilerConfig(enable_persistent_storage=False))
    session = profiler.start_profiling("checkout")
    with profiler.profile_context("price"):
        price(time.process_time() + SECONDS)
    with profiler.profile_context("sign"):
        sign(time.process_time() + SECONDS)
    report = profiler.stop_profiling(session)

    for operation in report.operations:
        if report.stacks is None:
            break
        hottest = self_times(of_operation(report.stacks, operation.name))[0]
        print(f"{operation.name}: {hottest.function}, line {hottest.hottest_line}")
    if report.sampler is not None:
        print(f"{report.sampler.samples} samples took {report.sampler.overhead_percent:.1f} % of one core")
    write_session(report, FILE)
    print(f"genesis-perf profile view {FILE}")


if __name__ == "__main__":
    main()
