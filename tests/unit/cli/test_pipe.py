"""A reader that leaves early is no failure."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_a_closed_pipe_ends_the_command_quietly() -> None:
    command = f"{sys.executable} -m host schedule next --cron '* * * * *' --count 3000 | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)

    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
