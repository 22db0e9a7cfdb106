"""Hours of load on a fast clock: ``python -m bench.monitor.load_cases FACTOR ORIGIN SECONDS``; prints JSON.

The monitor's clock and the emulator's run FACTOR times as fast; SECONDS are of that clock. A service of 40
operations and 60 recorded series, in two threads that are replaced every minute of the clock; every five
minutes a worker is forked that records and ends. Every half minute of the clock the resident memory and the
size of the buffer's files are noted.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import threading
import time
from pathlib import Path

from bench.monitor import reading
from bench.monitor.clocks import FastClock
from bench.monitor.memory_cases import resident
from bench.monitor.words import word
from genesis_performance.monitor.handles import Distribution
from genesis_performance.monitor.pipeline import Destination, Pipeline
from genesis_performance.operations import Recorder, register

THREADS = 2
OPERATIONS, QUEUES = 40, 60
NOTE_S, THREAD_S, WORKER_S = 30.0, 60.0, 300.0  # of the fast clock
PAUSE_S = 0.005  # real: each thread records up to 200 rounds of ten a second
ROUND = 10


class Service:
    """What records."""

    def __init__(self, pipeline: Pipeline, recorder: Recorder) -> None:
        self.pipeline = pipeline
        self.recorder = recorder
        self.counted = 0
        self._lock = threading.Lock()
        self.bound = Distribution(lambda: pipeline.buffer, "bound_ms", None, None)

    def rounds(self, ends: threading.Event, chance: random.Random) -> None:
        """Record until ``ends``; ten operations and ten labelled values a round."""
        done = 0
        while not ends.wait(PAUSE_S):
            for _ in range(ROUND):
                with self.recorder.operation(f"operation {word(chance.randrange(OPERATIONS))}"):
                    pass
                labels = {"queue": word(chance.randrange(QUEUES))}
                self.pipeline.buffer.record("wait_ms", chance.lognormvariate(3, 1), labels)
                self.bound.record(1.0)
            done += ROUND
        with self._lock:
            self.counted += done

    def worker(self) -> int:
        """A child that records for a little and ends; how many values it has recorded."""
        pid = os.fork()
        if not pid:
            try:
                chance = random.Random(os.getpid())
                for _ in range(100):
                    labels = {"queue": word(chance.randrange(QUEUES))}
                    self.pipeline.buffer.record("wait_ms", chance.lognormvariate(3, 1), labels)
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        if status:
            sys.exit("a worker failed")
        return 100


def files(folder: Path) -> int:
    """Bytes of all files of the buffer; one may go while they are counted."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def main() -> None:
    factor, origin_ns, lasts_s = float(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    folder = Path(os.environ["GENESIS_PERF__MONITORING__BUFFER_DIR"])
    clock = FastClock(factor, origin_ns)
    pipeline = Pipeline(
        Destination(
            project=os.environ["GOOGLE_CLOUD_PROJECT"],
            prefix=reading.OURS,
            service="load",
            environment="test",
            sink="otlp",
        ),
        clock=clock,
        is_shared=True,
    )
    recorder = Recorder()
    register(recorder)
    pipeline.exporter.start()
    service = Service(pipeline, recorder)
    by_workers = 0
    memory, sizes = [], []
    begun = clock.monotonic()
    note_at, thread_at, worker_at = begun + NOTE_S, begun, begun + WORKER_S
    seed = 0
    ends = threading.Event()
    threads: list[threading.Thread] = []
    while (now := clock.monotonic()) < begun + lasts_s:
        if now >= thread_at:
            ends.set()
            for thread in threads:
                thread.join()
            ends = threading.Event()
            seed += THREADS
            threads = [
                threading.Thread(target=service.rounds, args=(ends, random.Random(seed + index)))
                for index in range(THREADS)
            ]
            for thread in threads:
                thread.start()
            thread_at += THREAD_S
        if now >= worker_at:
            by_workers += service.worker()
            worker_at += WORKER_S
        if now >= note_at:
            gc.collect()
            memory.append(resident())
            sizes.append(files(folder))
            note_at += NOTE_S
        time.sleep(0.05)
    ends.set()
    for thread in threads:
        thread.join()
    complete = pipeline.flush(30)
    exported = pipeline.exporter.counts.exported
    waits = reading.newest(reading.type_of("otlp", "wait_ms", "DISTRIBUTION"), now_s=clock.unix_ns() / 1e9)
    found = {
        "memory": memory,
        "files": sizes,
        "exported": exported,
        "complete": complete,
        "recorded": service.counted + by_workers,
        "arrived": sum(waits.values()),
        "series": len(waits),
        "expected series": QUEUES,
        "failures": pipeline.exporter.counts.failures,
        "complaints": dict(pipeline.complaints.counts),
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
