"""Rows of incidents on labelled traffic."""

from __future__ import annotations

from collections.abc import Iterator

from bench.monitor.processes import measured
from bench.peers import note
from bench.row import Row, at_least, at_most, printed

SCENARIOS = 100


def rows(scenarios: int = SCENARIOS) -> Iterator[Row]:
    note(f"incidents in {scenarios} scenarios")
    found = measured("incident_cases", scenarios)
    yield at_least("incidents: scenarios of labelled traffic", found["scenarios"], "", scenarios)
    yield printed("  faults in them", found["faults"], "")
    yield at_most("  faults not found", found["missed"], "", 0)
    yield at_most("  found later than one window of 60 s", found["late"], "", 0)
    yield at_most("  false incidents", found["false"], "", 0)
    yield at_most("  opened again during one fault", found["flaps"], "", 0)
    yield at_most("  not closed after their fault", found["unclosed"], "", 0)
    yield printed("  found after, median", found["median_s"], "s")
    yield printed("  found after, slowest", found["slowest_s"], "s")
    yield printed("  closed after the end, median", found["closed_s"], "s")
