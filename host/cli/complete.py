"""Completing names of jobs in a shell, by asking a running host; silent where none answers at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

ANSWER_SECONDS = 0.3


def complete_job(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Give the names of registered jobs that begin with what was typed.

    A job's class name, which shells take for one word, and the type name where two classes are called the same.
    """
    try:
        names = _names(ctx)
    except Exception:  # whatever is wrong, a half-typed line is no place to tell it
        return []
    typed = incomplete.casefold()
    return [name for name in names if name.casefold().startswith(typed)]


def _names(ctx: click.Context) -> Sequence[str]:
    import asyncio

    from host.cli.options import find_data_directory

    with ctx:
        directory = find_data_directory(_path(ctx, "data"), _path(ctx, "config"))
    return asyncio.run(_ask(directory))


def _path(ctx: click.Context, name: str) -> Path | None:
    value = ctx.params.get(name)
    return Path(value) if value else None


async def _ask(directory: Path) -> Sequence[str]:
    import asyncio

    from host.cli.connect import connect

    async with asyncio.timeout(ANSWER_SECONDS), connect(directory) as host:
        types = [job.job_type for job in await host.jobs.jobs()]
    short = [job_type.rpartition(":")[2] for job_type in types]
    number = Counter(short)
    return [name if number[name] == 1 else job_type for name, job_type in zip(short, types, strict=True)]
