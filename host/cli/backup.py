"""``jobhost backup`` and ``jobhost restore``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from host.cli.connect import ConnectedHost
from host.cli.options import config_option, json_option, on_host
from host.cli.output import heading, print_json, print_line


@click.command()
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    default=Path("backups"),
    show_default=True,
    help="Folder of the archives.",
)
@click.option("--keep", type=click.IntRange(1), default=7, show_default=True, help="Archives to keep in the folder.")
@json_option
@on_host
async def backup(host: ConnectedHost, *, folder: Path, keep: int, as_json: bool) -> None:
    """Write an archive of everything the host keeps.

    The running host writes and verifies it: its configuration, its schedules and its stores.
    """
    report = await host.backup.create(folder, keep=keep)
    if as_json:
        print_json(report)
        return
    print_line(f"{report.archive}: {report.files} files, {report.bytes:,} bytes")
    for name in report.deleted:
        print_line(f"deleted {name}")


@click.command()
@click.argument("archive", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@config_option
@json_option
def restore(*, archive: Path, config: Path, as_json: bool) -> None:
    """Put an archive back in place, while no host runs.

    The stores that the configuration names are replaced and the previous files kept beside them; the configuration in
    the archive is only unpacked, to compare.
    """
    from host.kernel.restore import restore as put_back

    report = asyncio.run(put_back(config, archive))
    if as_json:
        print_json(report)
        return
    for name in report.files:
        print_line(f"restored {name}")
    for name in report.configuration:
        print_line(f"unpacked to compare: {name}")
    heading("Would be caught up" if report.would_catch_up else "Nothing would be caught up")
    for line in report.would_catch_up:
        print_line(f"  {line}")
    print_line("The next start is paused: look, then `jobhost jobs resume --all`, or start with --no-catch-up.")
