"""Doing what a page says, literally: files written, commands run in one shell, output held against the page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from tests.docs.pages import ROOT, Block, blocks_of, commands_of, write_file

END = "--- block ended with status "
HOST_LOG = "serve.log"
READY = "host ready"
OWN = {"JOBHOST": str(ROOT), "JOBHOST_PORT": "0", "NO_COLOR": "1", "TZ": "UTC"}
"""What shells have beside what they inherit; hosts listen at any free port."""
EXAMPLES = (
    (re.compile(r"\b\w{3} \d{4}-\d\d-\d\d [\d:]+ \w+\b"), "<time>"),
    (re.compile(r"\b\d{8}T\d{6}Z\b|\b\d{4}-\d\d-\d\d[T ][\d:.]+(Z| UTC)"), "<time>"),
    (re.compile(r"\b(?=\w*\d)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{8}\b"), "<id>"),
    (re.compile(r"\b\d[\d.,:]*( \d+)*"), "<n>"),
    (re.compile(r"\bnow\b|(in )?<n> (d|h|min|s)( <n> (h|min|s))?( ago)?\b"), "<distance>"),
    (re.compile(r"<n> (B|KiB|MiB|GiB|TiB)\b"), "<size>"),
    (re.compile(r"<n> ms\b"), "<distance>"),
)
"""What differs from one time to the next, and how it is written while lines are compared."""


class Terminal:
    """One shell in a folder; a context manager that leaves no process behind."""

    def __init__(self, folder: Path, *, columns: int = 200) -> None:
        self._folder = folder
        inherited = {name: value for name, value in os.environ.items() if not _is_ours(name)}
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env={**inherited, **OWN, "COLUMNS": str(columns)},
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

    def serve(self, text: str, seconds: float = 60) -> None:
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
        return "".join(lines), self._shell.wait(60)

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self._shell.stdin
        assert self._shell.stdout
        return self._shell.stdin, self._shell.stdout


def follow(
    page: Path,
    folder: Path,
    *,
    places: Mapping[str, str] | None = None,
    begin: Callable[[Terminal], object] = lambda _: None,
    end: Callable[[Terminal], object] = lambda _: None,
    columns: int = 200,
) -> list[str]:
    """Follow a page from top to bottom in a folder; give what each command block printed.

    ``places`` are texts of the page, mostly paths, and what stands for them here; ``begin`` makes true what the page
    takes for granted, ``end`` looks at what has come of it.
    """
    outputs: list[str] = []
    with Terminal(folder, columns=columns) as terminal:
        begin(terminal)
        for block in (placed(block, places or {}) for block in blocks_of(page)):
            if block.file:
                write_file(block, folder)
            elif block.mark == "run":
                outputs.append(_run(terminal, block))
            elif block.mark == "run: background":
                terminal.serve("\n".join(command for command, _ in commands_of(block)) or block.text)
            elif block.mark == "shows":
                check_shown(block, outputs[-1])
        end(terminal)
    return outputs


def placed(block: Block, places: Mapping[str, str]) -> Block:
    """Give a block with other texts for some of the page's."""
    text, mark = block.text, block.mark
    for here, there in places.items():
        text, mark = text.replace(here, there), mark.replace(here, there)
    return replace(block, text=text, mark=mark)


def check_shown(block: Block, output: str) -> None:
    """Fail unless every line of the block was printed, in order; ``…`` stands for anything, spaces do not count."""
    _check(block.where, block.text, output, _folded)


def check_example(where: str, shown: str, output: str) -> None:
    """The same for an example: numbers, ids, times and lengths may be others."""
    _check(where, shown, output, _alike)


def _run(terminal: Terminal, block: Block) -> str:
    if block.language != "console":
        return terminal.run(block.text)
    printed = []
    for command, shown in commands_of(block):
        printed.append(terminal.run(command))
        check_example(block.where, shown, printed[-1])
    return "".join(printed)


def _check(where: str, shown: str, output: str, normal: Callable[[str], str]) -> None:
    printed = [normal(line) for line in output.splitlines()]
    place = 0
    for line in filter(None, map(normal, shown.splitlines())):
        pattern = ".*".join(map(re.escape, re.split(r"\s*…\s*", line)))
        found = next((n for n in range(place, len(printed)) if re.fullmatch(pattern, printed[n])), None)
        assert found is not None, f"{where}: not printed: {line}\nin:\n{output}"
        place = found + 1


def _folded(line: str) -> str:
    return " ".join(line.split())


def _alike(line: str) -> str:
    for pattern, name in EXAMPLES:
        line = pattern.sub(name, line)
    return _folded(line)


def _is_ours(name: str) -> bool:
    return name.startswith(("JOBHOST", "PYTEST", "COV_")) or name in {"VIRTUAL_ENV", "PYTHONPATH", "UV", "PYTHONHOME"}
