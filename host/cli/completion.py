"""``jobhost completion``: what makes a shell complete commands, options and names of jobs."""

from __future__ import annotations

import click

PROGRAM = "jobhost"
VARIABLE = "_JOBHOST_COMPLETE"
"""What the shells' scripts set to ask for completions; click answers it before any command runs."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands in a shell.

    Put it where the shell finds it; for bash: source <(jobhost completion bash).
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, PROGRAM, VARIABLE).source())
