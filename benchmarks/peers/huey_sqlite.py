"""huey on SQLite with fsync: enqueue and drain no-op tasks, one worker thread; prints one JSON line.

uv run --with huey python benchmarks/peers/huey_sqlite.py [TASKS]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time

from huey import SqliteHuey

TASKS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
huey = SqliteHuey(filename=f"{tempfile.mkdtemp()}/huey.sqlite", fsync=True)
done: list[float] = []


@huey.task()
def noop() -> None:
    done.append(time.perf_counter())


began = time.perf_counter()
for _ in range(TASKS):
    noop()
enqueued = TASKS / (time.perf_counter() - began)
consumer = huey.create_consumer(workers=1, periodic=False, initial_delay=0.01)
consumer.start()
while len(done) < TASKS:
    time.sleep(0.01)
consumer.stop()
print(
    json.dumps(
        {"peer": "huey sqlite", "submit_per_s": round(enqueued), "drain_per_s": round(TASKS / (done[-1] - done[0]))}
    )
)
