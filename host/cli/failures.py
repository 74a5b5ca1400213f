"""How a command that failed tells it: one message for people on stderr, and an exit status for programs."""

from __future__ import annotations

import os
import traceback
from typing import IO, Any

import click

from host.cli.problems import problem_lines
from host.cli.text import clean
from host.errors import EXIT_STATUS, HostError


class Failure(click.ClickException):
    """A message, and the exit status to end with."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message to stderr."""
        head = "error:" if "NO_COLOR" in os.environ else click.style("error:", fg="red", bold=True)
        click.echo(f"{head} {self.message}", file=file, err=True)


def failure_of(error: Exception | SystemExit) -> Exception:
    """Give what click should end with: a Failure, or the error itself where click knows better."""
    if isinstance(error, SystemExit):
        return Failure(_text_of_exit(error), 1)
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, HostError):
        return Failure(_text_of(error), EXIT_STATUS[error.kind])
    if isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort | BrokenPipeError):
        return error
    if os.environ.get("JOBHOST_DEBUG"):
        return Failure("".join(traceback.format_exception(error)), 1)
    message = clean(f"{type(error).__name__}: {error}").splitlines()
    return Failure(f"{message[0]}\n  hint: this is a defect; JOBHOST_DEBUG=1 shows where it happened", 1)


def _text_of_exit(error: SystemExit) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = f"\n  where: {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"the command was ended by sys.exit({error.code!r}){where}\n  hint: raise an exception there instead"


def _text_of(error: HostError) -> str:
    lines = [clean(error.message)]
    lines += [f"  where: {clean(error.where)}"] if error.where else []
    lines += [f"  hint: {clean(error.hint)}"] if error.hint else []
    lines += [f"{'  ' if line.startswith(' ') else '  - '}{clean(line)}" for line in problem_lines(error.problems)]
    return "\n".join(lines)
