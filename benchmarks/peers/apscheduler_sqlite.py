"""APScheduler 3 with its SQLAlchemy store on SQLite: the lateness benchmark's schedules; prints one JSON line.

uv run --with 'apscheduler<4' --with sqlalchemy python benchmarks/peers/apscheduler_sqlite.py once|burst [N]
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler

MODE = sys.argv[1] if len(sys.argv) > 1 else "once"
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
late: list[float] = []


def note(due: float) -> None:
    late.append(time.time() - due)


def main() -> None:
    scheduler = BackgroundScheduler(timezone=UTC, job_defaults={"misfire_grace_time": 3600})
    scheduler.add_jobstore("sqlalchemy", url=f"sqlite:///{tempfile.mkdtemp()}/jobs.sqlite")
    scheduler.start(paused=True)
    chance = random.Random(7)
    start = time.time() + 5 + COUNT / 400
    for _ in range(COUNT):
        due = start + (0 if MODE == "burst" else round(chance.uniform(0, 10), 3))
        scheduler.add_job("__main__:note", "date", run_date=datetime.fromtimestamp(due, UTC), args=[due])
    scheduler.resume()
    end = time.time() + 60
    while len(late) < COUNT and time.time() < end:
        time.sleep(0.05)
    late.sort()
    pick = [round(late[min(len(late) - 1, int(len(late) * share))] * 1000, 2) for share in (0.5, 0.99, 1)]
    print(
        json.dumps(
            {"peer": "apscheduler 3 sqlite", "count": len(late), "p50": pick[0], "p99": pick[1], "worst": pick[2]}
        )
    )


if __name__ == "__main__":
    main()
