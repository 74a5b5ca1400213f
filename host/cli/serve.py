"""``jobhost serve``: the host itself."""

from __future__ import annotations

from pathlib import Path

import click

from host.cli.options import config_option


@click.command()
@config_option
@click.option("--skip-unknown", is_flag=True, help="Start although rows of the configuration have no equivalent here.")
@click.option("--no-catch-up", is_flag=True, help="Leave out fire times that passed while no host ran.")
@click.option("--paused", is_flag=True, help="Start with everything paused, until `jobhost jobs resume --all`.")
@click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    default="console",
    show_default=True,
    help="How log lines look.",
)
def serve(*, config: Path, skip_unknown: bool, no_catch_up: bool, paused: bool, log_format: str) -> None:
    """Run the host until it is stopped.

    By `jobhost drain`, SIGTERM or Ctrl-C; a second signal stops it at once.
    """
    from host.kernel.serve import serve as run_host

    status = run_host(config, skip_unknown=skip_unknown, catch_up=not no_catch_up, paused=paused, log_format=log_format)
    raise click.exceptions.Exit(status)
