"""The pages of the documentation as tests read them: blocks with what stands before them, links, headings.

A page marks what a test does with a block by a comment on the line before it:

``<!-- file: NAME -->``  write the block to this file
``<!-- run -->``  run the block in a shell, which must succeed
``<!-- run: background -->``  run it as a second terminal would: a host, which must become ready
``<!-- shows -->``  the run before it printed these lines; ``…`` stands for anything

In a ``console`` block each line after ``$ `` is a command, and what stands below it is what it printed; there numbers,
ids, times and lengths are those of an example.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOP = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")

_FENCE = re.compile(r"^(?P<indent>\s*)(?P<ticks>`{3,})\s*(?P<language>[\w-]*)\s*$")
_MARK = re.compile(r"^\s*<!--\s*(?P<mark>.*?)\s*-->\s*$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6}\s+(?P<text>.+?)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    """Of its first line of text."""
    language: str
    mark: str
    """The comment before it, or empty."""
    text: str

    @property
    def where(self) -> str:
        page = self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page
        return f"{page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file it is to be written to."""
        return self.mark.removeprefix("file:").strip() if self.mark.startswith("file:") else None


def pages() -> list[Path]:
    """Give every page of the project, by path."""
    found = [ROOT / name for name in TOP]
    found += sorted((ROOT / "docs").rglob("*.md"))
    found += sorted((ROOT / "plugins").glob("*/README.md"))
    return found


def blocks_of(page: Path) -> list[Block]:
    """Give the fenced blocks of a page, in order."""
    return list(_blocks(page, page.read_text(encoding="utf-8").splitlines()))


def commands_of(block: Block) -> list[tuple[str, str]]:
    """Give the commands of a console block with the output shown below each."""
    found: list[tuple[str, str]] = []
    for line in block.text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
    return found


def prose_of(page: Path) -> list[tuple[int, str]]:
    """Give the numbered lines outside all blocks."""
    lines = page.read_text(encoding="utf-8").splitlines()
    inside: set[int] = set()
    for block in _blocks(page, lines):
        inside.update(range(block.line - 1, block.line + block.text.count("\n") + 1))
    return [(number, line) for number, line in enumerate(lines, 1) if number not in inside]


def links_of(page: Path) -> list[tuple[int, str]]:
    """Give the targets of all links with the line each stands on."""
    return [(number, match["target"]) for number, line in prose_of(page) for match in _LINK.finditer(line)]


def anchors_of(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as GitHub makes them."""
    return {_anchor(match["text"]) for _, line in prose_of(page) if (match := _HEADING.match(line))}


def write_files(page: Path, folder: Path) -> dict[str, Path]:
    """Write every block with a file's name below the folder; of one name the last stays."""
    written = {}
    for block in blocks_of(page):
        if block.file:
            written[block.file] = write_file(block, folder)
    return written


def write_file(block: Block, folder: Path) -> Path:
    """Write one block to the file it names."""
    assert block.file
    path = folder / block.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")
    return path


def block_of(page: Path, file: str) -> Block:
    """Give the block of a page that is to be written to this file."""
    (found,) = [block for block in blocks_of(page) if block.file == file]
    return found


def _blocks(page: Path, lines: list[str]) -> Iterator[Block]:
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            number += 1
            continue
        begin, indent = number + 1, len(fence["indent"])
        end = next(
            (n for n in range(begin, len(lines)) if lines[n].strip() == fence["ticks"]),
            None,
        )
        assert end is not None, f"{page}:{begin}: the block never ends"
        text = "".join(f"{line[indent:] if line[:indent].isspace() else line}\n" for line in lines[begin:end])
        yield Block(page=page, line=begin + 1, language=fence["language"], mark=_mark_before(lines, number), text=text)
        number = end + 1


def _mark_before(lines: list[str], fence: int) -> str:
    above = next((lines[n] for n in range(fence - 1, -1, -1) if lines[n].strip()), "")
    match = _MARK.match(above)
    return match["mark"] if match else ""


def _anchor(heading: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")
