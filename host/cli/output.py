"""Everything that is printed for people or programs goes through here; the one home of rich."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import click

from host.cli.text import clean
from host.model.runs import JobRun, RunReason, RunState
from host.wire import to_wire

if TYPE_CHECKING:  # rich takes longer to import than most commands take to run
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

WIDE = 200
"""Columns where the output is no terminal and COLUMNS does not say."""

_STYLES = {
    RunState.PENDING: "yellow",
    RunState.SCHEDULED: "yellow",
    RunState.QUEUED: "yellow",
    RunState.STARTING: "blue",
    RunState.RUNNING: "blue",
    RunState.COMPLETED: "green",
    RunState.FAILED: "red",
    RunState.CANCELLED: "magenta",
    RunState.SKIPPED: "dim",
    RunState.QUARANTINED: "bold red",
}
_PLAIN = frozenset({RunReason.ERROR, RunReason.REQUESTED, RunReason.CRASHES})
"""Reasons that say nothing the state does not."""

Cell: TypeAlias = "str | Text"


def print_line(text: Cell = "") -> None:
    """Print text as it is, wrapped by the terminal alone."""
    if isinstance(text, str):
        print(clean(text))
    else:
        console().print(text, soft_wrap=True)


def print_note(text: str) -> None:
    """Tell people something beside the output: on standard error."""
    click.echo(clean(text), err=True)


def print_json(value: object) -> None:
    """Print a value as indented JSON, as it crosses wires."""
    print(json.dumps(to_wire(value), indent=2, ensure_ascii=False))


def print_json_line(value: object) -> None:
    """Print a value as one line of JSON, at once."""
    print(json.dumps(to_wire(value), ensure_ascii=False), flush=True)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, empty: str, texts: Collection[str], is_cut: bool = False
) -> None:
    """Print rows under columns, or the sentence ``empty``.

    Where the width is too small, the columns ``texts`` take several lines, or are cut; the others stay whole.
    """
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    lines = [list(map(_cell, row)) for row in rows]
    for place, name in enumerate(columns):
        if name in texts:
            widest = max((cells[place].cell_len for cells in lines), default=0)
            table.add_column(name, overflow="fold", min_width=min(8, max(widest, len(name))))
        else:
            table.add_column(name, no_wrap=True, overflow="ellipsis")
    for cells in lines:
        for name in texts:
            cells[columns.index(name)].no_wrap = is_cut
            cells[columns.index(name)].overflow = "ellipsis" if is_cut else "fold"
        table.add_row(*cells)
    if table.row_count:
        console().print(table)
    else:
        print_line(empty)


def print_findings(rows: Iterable[tuple[Cell, str, str, str | None]]) -> None:
    """Print verdicts, what they are of, what was found and, indented below it, what to do about it."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    for name in ("", "WHAT"):
        table.add_column(name, no_wrap=True)
    table.add_column("FINDING", overflow="fold")
    for verdict, subject, message, hint in rows:
        below = [Padding(_cell(hint), (0, 0, 0, 2))] if hint else []
        table.add_row(_cell(verdict), _cell(subject), Group(_cell(message), *below))
    console().print(table)


def print_facts(facts: Iterable[tuple[str, Cell]]) -> None:
    """Print names and values below each other; values that are empty or ``-`` are left out."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False, show_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in facts:
        if str(value) not in {"", "-"}:
            table.add_row(name, _cell(value))
    console().print(table)


def state_of(run: JobRun | None) -> Text:
    """Give a run's state in its colour, with the reason where it says more."""
    if run is None:
        return _styled("never run", "dim")
    text = run.state.value
    if run.state is RunState.RUNNING and run.progress is not None:
        text += f" {run.progress:.0%}"
    if run.reason is not None and run.reason not in _PLAIN:
        text += f" {run.reason.value}"
    if run.is_stuck:
        return _styled(f"{text} stuck", "bold red")
    if run.cancel_requested_at is not None and not run.state.is_final:
        text += " stopping"
    return _styled(text, _STYLES[run.state])


def is_narrow() -> bool:
    """Say whether the output has room for the most needed columns only."""
    return console().width < 100


def is_wide() -> bool:
    """Say whether the output has room for columns that are nice to have."""
    return console().width >= 150


def warning(text: str) -> Text:
    """Give text that asks for a look."""
    return _styled(clean(text), "yellow")


def failure(text: str) -> Text:
    """Give text that says something is wrong."""
    return _styled(clean(text), "red")


def joined(*parts: Cell) -> Text:
    """Give several texts as one, each in its colour."""
    from rich.text import Text

    return Text.assemble(*map(_cell, parts))


def heading(text: str) -> None:
    """Print a title with an empty line before it."""
    console().print(_styled(f"\n{clean(text)}", "bold"))


def progress_bar() -> Progress:
    """Give a bar for one run; it shows nothing unless the output is a terminal."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    place = console()
    return Progress(
        TextColumn("{task.fields[state]}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=place,
        transient=True,
        disable=not place.is_terminal,
    )


def console() -> Console:
    """Give the output: colours on a terminal only and never with NO_COLOR; nothing in text is markup."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE
    return _console_class()(markup=False, highlight=False, emoji=False, width=width)


@cache
def _console_class() -> type[Console]:
    from rich.console import Console

    class PipedConsole(Console):
        """A console whose reader may leave early, as ``head`` does."""

        def on_broken_pipe(self) -> None:
            """End quietly, as any tool in a pipe."""
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0)

    return PipedConsole


def _styled(text: str, style: str) -> Text:
    from rich.text import Text

    return Text(text, style=style)


def _cell(value: Cell) -> Text:
    return _styled(clean(value), "") if isinstance(value, str) else value
