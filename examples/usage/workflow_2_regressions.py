"""Step 2 of the workflow: keep a baseline, and compare new measurements with it."""

import time

from orders import count_orders

from core.performance import RegressionDetector

RUNS = 5  # several runs tell a slower release from a busy machine better than one long run


def durations_ms(repeats: int, executions: int = 10) -> list[float]:
    """Time the work; ``repeats`` above 1 is the careless release that does it again and again."""
    measured = []
    for _ in range(executions):
        begin = time.perf_counter()
        for _ in range(repeats):
            count_orders()
        measured.append((time.perf_counter() - begin) * 1000)
    return measured


def main() -> None:
    with RegressionDetector() as detector:
        detector.create_baseline(
            operation_name="count_orders", duration_samples=[durations_ms(repeats=1) for _ in range(RUNS)]
        )
        result = detector.detect_regression(
            operation_name="count_orders", current_samples=[durations_ms(repeats=5) for _ in range(RUNS)]
        )
    print(f"verdict {result.verdict.value}, {result.change_ratio:+.0%}")
    if result.has_regression:
        print(f"severity {result.regression_severity.value}, confidence {result.confidence_score:.3f}")
        for advice in result.recommendations:
            print("-", advice)


if __name__ == "__main__":
    main()
