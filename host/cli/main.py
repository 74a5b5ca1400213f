"""The root of the command line: what commands there are, and how every failure ends."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from host.cli.failures import failure_of
from host.cli.lazy import LazyGroup

COMMANDS = {
    "serve": ("host.cli.serve:serve", "Run the host until it is stopped."),
    "check": ("host.cli.check:check", "Say what a configuration would do, without running it."),
    "status": ("host.cli.status:status", "Show how the running host is."),
    "doctor": ("host.cli.doctor:doctor", "Look whether all is well, and say what to do where it is not."),
    "jobs": ("host.cli.jobs:jobs", "See, register, start, cancel and pause jobs."),
    "runs": ("host.cli.runs:runs", "See, follow, cancel, retry and release runs."),
    "stats": ("host.cli.stats:stats", "Show how jobs did: runs, failures, waiting times and durations."),
    "schedule": ("host.cli.schedules:schedule", "See and set when jobs run."),
    "audit": ("host.cli.audit:audit", "Show who did what."),
    "reload": ("host.cli.reload:reload", "Put the configuration as it is now in force, without ending the process."),
    "drain": ("host.cli.status:drain", "Let active runs end, then stop the host."),
    "backup": ("host.cli.backup:backup", "Write an archive of everything the host keeps."),
    "restore": ("host.cli.backup:restore", "Put an archive back in place, while no host runs."),
    "plugins": ("host.cli.check:plugins", "List the installed plugins."),
    "completion": ("host.cli.completion:completion", "Print the script that completes commands in a shell."),
}
"""``{command: (where it is, its line of help)}``; the line stands here so that ``--help`` imports none of them."""


class Root(LazyGroup):
    """Turns whatever goes wrong into one clear message and an exit status; never a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(130)
        except SystemExit as error:  # a plugin's: click itself ends otherwise
            raise failure_of(error) from error
        except Exception as error:  # the last resort of a program that talks to people
            raise failure_of(error) from error


@click.group(
    cls=Root,
    lazy=COMMANDS,
    plugin_commands="host.commands",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="jobhost", message="jobhost %(version)s")
@click.pass_context
def root(ctx: click.Context) -> None:
    """Host for background jobs.

    Commands that speak with a running host find it by --data DIR, by --config FILE, by JOBHOST_DATA or JOBHOST_CONFIG,
    or by config/santedb.config.xml.
    """
    from host.contracts.host import FIND_DATA_DIRECTORY  # ``--help`` never comes here

    ctx.meta[FIND_DATA_DIRECTORY] = _find_data_directory


def main() -> None:
    """Run the command line; ends the process."""
    try:
        root(prog_name="jobhost")
    except SystemExit as end:
        if serving := sys.modules.get("host.kernel.serve"):  # not imported by commands that need none of it
            serving.leave_untorn(end.code if isinstance(end.code, int) else int(end.code is not None))
        raise


def _find_data_directory(data: Path | None, config: Path | None) -> Path:
    from host.cli.options import find_data_directory

    return find_data_directory(data, config)
