"""The page on completion: the files are written where it says, and bash offers what they promise."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.docs.conftest import CONFIGURATION, serving
from tests.docs.follow import Terminal, follow
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/howto/complete-commands-in-the-shell.md"
TRIED = re.compile(r"`(source <\(.*?\))`")
OFFER = """
COMPREPLY=(); COMP_WORDS=(jobhost {words}); COMP_CWORD={place}
$(complete -p jobhost | sed 's/.*-F \\([^ ]*\\).*/\\1/') jobhost
echo "${{COMPREPLY[@]}}"
"""

pytestmark = pytest.mark.slow


def offered(terminal: Terminal, *words: str) -> list[str]:
    """Give what bash offers for the last of these words."""
    quoted = " ".join(f"'{word}'" for word in words)
    return terminal.run(OFFER.format(words=quoted, place=len(words))).split()


def offered_at_last(terminal: Terminal, *words: str, seconds: float = 60) -> list[str]:
    """Ask until something is offered: on a busy machine a host may take longer than completion waits."""
    end = time.monotonic() + seconds
    while not (found := offered(terminal, *words)):
        assert time.monotonic() < end, f"nothing is offered for {words}"
    return found


def test_bash_completes_after_the_commands_of_the_page(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(shipped))

    def end(terminal: Terminal) -> None:
        terminal.run("source ~/.local/share/bash-completion/completions/jobhost")
        assert offered(terminal, "sched") == ["schedule"]
        assert {"cancel", "pause", "start"} <= set(offered(terminal, "jobs", ""))
        assert offered(terminal, "jobs", "list", "--da") == ["--data"]
        assert offered(terminal, "runs", "list", "--state", "fa") == ["failed"]

    follow(PAGE, shipped, end=end)

    assert (shipped / ".zfunc/_jobhost").read_text().startswith("#compdef jobhost")
    assert "_JOBHOST_COMPLETE=fish_complete" in (shipped / ".config/fish/completions/jobhost.fish").read_text()


def test_it_is_tried_as_the_page_says_and_offers_jobs_of_the_running_host(tmp_path: Path, installed: None) -> None:
    (tmp_path / "host.config.xml").write_text(
        CONFIGURATION.format(
            providers="", sections="", jobs='<add type="host_maintenance.prune:PruneHistory" startType="never" />'
        )
    )
    (source,) = TRIED.findall(PAGE.read_text(encoding="utf-8"))

    with Terminal(tmp_path) as terminal:
        serving(source)(terminal)
        assert offered_at_last(terminal, "jobs", "start", "pru") == ["PruneHistory"]
        assert offered_at_last(terminal, "jobs", "start", "--data", "data", "") == ["PruneHistory"]
        assert offered(terminal, "jobs", "start", "--data", "elsewhere", "") == []


@pytest.mark.parametrize(
    ("shell", "file"), [("zsh", ".zfunc/_jobhost"), ("fish", ".config/fish/completions/jobhost.fish")]
)
def test_other_shells_can_read_their_files(
    tmp_path: Path, installed: None, monkeypatch: pytest.MonkeyPatch, shell: str, file: str
) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    monkeypatch.setenv("HOME", str(tmp_path))
    follow(PAGE, tmp_path)

    command = [program, "-n", str(tmp_path / file)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ}, check=False)
    assert (done.returncode, done.stderr) == (0, "")
