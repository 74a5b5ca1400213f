"""Doing what a page says, literally: files written, commands run in one shell, output held against the page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from tests.docs.pages import ROOT, Block, blocks_of, write_file

END = "--- block ended with status "
HOST_LOG = "serve.log"
READY = "host ready"


class Terminal:
    """One shell in a folder; a context manager that leaves no process behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        inherited = {name: value for name, value in os.environ.items() if not _is_ours(name)}
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env={**inherited, "JOBHOST": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200", "TZ": "UTC"},
            start_new_session=True,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):  # it has ended with everything it started
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.communicate()

    def run(self, text: str) -> str:
        """Run commands, stopping at the first that fails; give what they printed. Fails unless all succeed."""
        output, status = self._send(f"set -e; {{ {text.rstrip()}\n}} </dev/null; set +e")
        assert status == 0, f"{text}\nended with {status}:\n{output}"
        return output

    def serve(self, text: str, seconds: float = 30) -> None:
        """Run a host beside the shell and wait until it is ready."""
        log = self._folder / HOST_LOG
        log.touch()
        begin = log.stat().st_size
        self._send(f"( {text.rstrip()} ) >> {log} 2>&1 </dev/null &")
        end = time.monotonic() + seconds
        while READY not in (written := log.read_text(encoding="utf-8")[begin:]):
            assert time.monotonic() < end, f"{text}\nis not ready:\n{written}"
            assert "error:" not in written, f"{text}\nfailed:\n{written}"
            time.sleep(0.05)

    def _send(self, text: str) -> tuple[str, int]:
        stdin, stdout = self._pipes()
        stdin.write(f"{text}\necho; echo '{END}'$?\n")
        stdin.flush()
        lines: list[str] = []
        for line in stdout:
            if line.startswith(END):
                return "".join(lines).removesuffix("\n"), int(line.removeprefix(END))
            lines.append(line)
        return "".join(lines), self._shell.wait(10)

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self._shell.stdin
        assert self._shell.stdout
        return self._shell.stdin, self._shell.stdout


def follow(page: Path, folder: Path) -> list[str]:
    """Follow a page from top to bottom in an empty folder; give what each command block printed."""
    outputs: list[str] = []
    with Terminal(folder) as terminal:
        for block in blocks_of(page):
            if block.file:
                write_file(block, folder)
            elif block.mark == "run":
                outputs.append(terminal.run(block.text))
            elif block.mark == "run: background":
                terminal.serve(block.text)
            elif block.mark == "shows":
                check_shown(block, outputs[-1])
    return outputs


def check_shown(block: Block, output: str) -> None:
    """Fail unless every line of the block was printed, in order; ``…`` stands for anything, spaces do not count."""
    printed = [" ".join(line.split()) for line in output.splitlines()]
    place = 0
    for line in filter(None, (" ".join(line.split()) for line in block.text.splitlines())):
        pattern = ".*".join(map(re.escape, re.split(r"\s*…\s*", line)))
        found = next((n for n in range(place, len(printed)) if re.fullmatch(pattern, printed[n])), None)
        assert found is not None, f"{block.where}: not printed: {line}\nin:\n{output}"
        place = found + 1


def _is_ours(name: str) -> bool:
    return name.startswith(("JOBHOST", "PYTEST", "COV_")) or name in {"VIRTUAL_ENV", "PYTHONPATH", "UV", "PYTHONHOME"}
