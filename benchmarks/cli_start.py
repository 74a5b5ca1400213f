"""How soon a run started by the command line begins: from the start of the command to the job's first line.

python benchmarks/cli_start.py [RUNS]            (default 100)
"""

from __future__ import annotations

import subprocess
import sys
import time

from common import Workspace, quantiles, tell


def main() -> None:
    """Run and print the line."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with Workspace() as space:
        space.start()
        time.sleep(1)
        late = []
        for number in range(count):
            began = time.time()
            command = [
                sys.executable,
                "-m",
                "host",
                "jobs",
                "start",
                "bench_jobs:Noop",
                "--data",
                str(space.folder / "data"),
            ]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=space.environment)
            late.append(space.wait_rows(number + 1, 5)[number][1] - began)
        tell("start by command line", late_ms=quantiles(late))


main()
