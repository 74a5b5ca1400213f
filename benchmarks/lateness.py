"""How late runs start: first line of the job minus nominal fire time, by the system clock.

python benchmarks/lateness.py once      1 000 once schedules at random milliseconds over ten seconds
python benchmarks/lateness.py spread    10 000 interval schedules, 100 fires a second, for 12 seconds
python benchmarks/lateness.py burst [N] N (1 000) schedules due at one instant
--peer 'COMMAND' (last): another system's benchmark, printing a JSON line with p99; the ratio is printed
--bare: a bare asyncio timer over a heap does the same in the same call, and the ratio is printed
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
import sys
import time

from common import Workspace, peer, quantiles, stamp, tell

LEAD = 6.0


def fire_times(mode: str, count: int, start: float) -> list[float]:
    """Give the nominal times, one a schedule."""
    if mode == "once":
        chance = random.Random(7)
        return sorted(start + round(chance.uniform(0, 10), 3) for _ in range(count))
    if mode == "burst":
        return [start] * count
    return [start + index * 0.01 for index in range(count)]


def line(mode: str, number: int, instant: float) -> str:
    """Give the xcron line of one schedule."""
    if mode == "spread":
        return f'      <add type="interval" start="{stamp(instant)}" interval="100" jh:id="s{number}" />'
    return f'      <add type="scheduled" start="{stamp(instant)}" jh:id="s{number}" />'


async def bare(times: list[float]) -> list[float]:
    """A heap and one sleeper, nothing kept: what the loop and the timer allow."""
    heap = list(times)
    heapq.heapify(heap)
    late: list[float] = []

    async def run(due: float) -> None:
        late.append(time.time() - due)

    tasks = []
    while heap:
        wait = heap[0] - time.time()
        if wait > 0:
            await asyncio.sleep(wait)
            continue
        tasks.append(asyncio.create_task(run(heapq.heappop(heap))))
    await asyncio.gather(*tasks)
    return late


def main() -> None:
    """Run one mode and print its line."""
    options = sys.argv[1 : sys.argv.index("--peer")] if "--peer" in sys.argv else sys.argv[1:]
    arguments = [argument for argument in options if not argument.startswith("--")]
    mode = arguments[0] if arguments else "once"
    count = int(arguments[1]) if len(arguments) > 1 else (10_000 if mode == "spread" else 1_000)
    window = 12.0
    with Workspace() as space:
        start = float(math.ceil(time.time() + LEAD + count / 4000))
        times = fire_times(mode, count, start)
        space.schedules([line(mode, number, instant) for number, instant in enumerate(times)])
        ready = space.start()
        on_time = time.time() < start
        expected = [instant for instant in times if mode != "spread" or instant < start + window]
        time.sleep(max(0.0, start - time.time()))
        cpu = space.cpu_seconds()
        rows = space.wait_rows(len(expected), window + 30)
        if mode == "spread":
            time.sleep(max(0.0, start + window - time.time()))
            rows = space.rows()
        spent = space.cpu_seconds() - cpu
        fired = [row for row in rows if row[0] <= max(expected) + 1e-6]
        late = [first - fire for fire, first, _ in fired]
        figures = quantiles(late)
        nominal = {round(instant, 6) for instant in expected}
        seen = {round(fire, 6) for fire, _, _ in fired}
        result: dict[str, object] = {
            "schedules": count,
            "ready_in_time": on_time,
            "ready_s": round(ready, 2),
            "late_ms": figures,
            "early": sum(value < 0 for value in late),
            "missed": len(expected) - len(fired) if mode == "burst" else len(nominal - seen),
            "doubled": len(fired) - len({row[2] for row in fired}) + max(0, len(fired) - len(expected)),
            "cpu_s": round(spent, 2),
            "rss_mib": space.rss_mib(),
        }
    if "--bare" in sys.argv:
        begin = time.time() + 1
        theirs = quantiles(asyncio.run(bare([begin + instant - start for instant in expected])))
        result["bare_timer_ms"] = theirs
        result["ratio_p99"] = round(figures["p99"] / theirs["p99"], 2)
    command = sys.argv[sys.argv.index("--peer") + 1] if "--peer" in sys.argv else None
    result.update(peer(command, figures["p99"], key="p99"))
    tell(f"lateness {mode}", **result)


main()
