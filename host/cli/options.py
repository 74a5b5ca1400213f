"""Options that many commands share, and the way from a command to a running host."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click
from click.core import ParameterSource

from host.errors import InvalidRequestError

DEFAULT_CONFIGURATION = Path("config/santedb.config.xml")

F = TypeVar("F", bound=Callable[..., object])

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="JOBHOST_CONFIG",
    default=DEFAULT_CONFIGURATION,
    show_default=True,
    show_envvar=True,
    help="The configuration.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")


def located(function: F) -> F:
    """Add ``--data`` and ``--config``, by which ``find_data_directory`` finds a host."""
    data = click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="JOBHOST_DATA",
        show_envvar=True,
        help="The host's data directory.",
    )
    config = click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="JOBHOST_CONFIG",
        show_envvar=True,
        help=f"The host's configuration, instead of --data.  [default: {DEFAULT_CONFIGURATION}]",
    )
    return data(config(function))


def on_host(function: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Make a command of an ``async`` function that takes a connected host first."""

    @located
    @functools.wraps(function)
    def command(*, data: Path | None, config: Path | None, **arguments: object) -> None:
        directory = find_data_directory(data, config)
        asyncio.run(_perform(function, directory, arguments))

    return command


def find_data_directory(data: Path | None, config: Path | None) -> Path:
    """Give the data directory that the options ask for; what was typed wins over the environment.

    Raises InvalidRequestError without any, ConfigurationError for a configuration that cannot be read.
    """
    source = click.get_current_context().get_parameter_source
    if data and config and source("config") is ParameterSource.COMMANDLINE:
        if source("data") is ParameterSource.COMMANDLINE:
            raise click.UsageError("give --data or --config, not both")
        data = None
    if data:
        return data.absolute()
    if config is None and not DEFAULT_CONFIGURATION.exists():
        raise InvalidRequestError(
            "no host is named and there is no config/santedb.config.xml here",
            hint="use --data DIR, --config FILE, JOBHOST_DATA or JOBHOST_CONFIG",
        )
    from host.kernel.locate import data_directory

    return data_directory(config or DEFAULT_CONFIGURATION)


async def _perform(function: Callable[..., Awaitable[None]], directory: Path, arguments: dict[str, object]) -> None:
    from host.cli.connect import connect

    async with connect(directory) as host:
        await function(host, **arguments)
