"""What 10 000 idle schedules cost: CPU over SECONDS (120) and memory.

python benchmarks/idle.py [SECONDS]
"""

from __future__ import annotations

import sys
import time

from common import Workspace, stamp, tell

COUNT = 10_000


def main() -> None:
    """Run and print the line."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    with Workspace() as space:
        start = time.time() + 86_400
        space.schedules(
            [
                f'      <add type="interval" start="{stamp(start + i)}" interval="{3600 + i}" />'
                for i in range(COUNT // 2)
            ]
            + [
                f'      <jh:add type="cron" expression="{i % 60} {i // 60 % 24} 29 2 *" timezone="Europe/Prague" />'
                for i in range(COUNT // 2)
            ]
        )
        ready = space.start()
        time.sleep(3)
        before = space.cpu_seconds()
        time.sleep(seconds)
        used = space.cpu_seconds() - before
        tell(
            "idle schedules",
            schedules=COUNT,
            seconds=seconds,
            cpu_percent=round(used / seconds * 100, 3),
            rss_mib=space.rss_mib(),
            ready_s=round(ready, 2),
        )


main()
