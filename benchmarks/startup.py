"""How long the command line and the shipped host take to start, and what the host weighs.

python benchmarks/startup.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from common import ROOT, Workspace, tell


def main() -> None:
    """Run and print the line."""
    helps = []
    for _ in range(11):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "host", "--help"], stdout=subprocess.DEVNULL, check=True)
        helps.append(time.perf_counter() - began)
    readies, weights = [], []
    for _ in range(5):
        with Workspace() as space:
            os.environ["JOBHOST_PORT"] = "0"
            os.environ["JOBHOST_DATA"] = str(space.folder / "data")
            os.environ["JOBHOST_XCRON"] = str(space.folder / "xcron.xml")
            readies.append(space.start(ROOT / "config" / "santedb.config.xml"))
            time.sleep(1)
            weights.append(space.rss_mib())
    tell(
        "startup",
        help_ms=round(statistics.median(helps[1:]) * 1000),
        ready_s=round(statistics.median(readies), 2),
        rss_mib=max(weights),
    )


main()
