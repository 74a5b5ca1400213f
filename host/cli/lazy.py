"""Groups of commands that are imported when they are called, never to be listed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

import click

from host.errors import PluginError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """A group over ``{command: ("module:attribute", line of help)}`` and the entry points of plugins.

    A plugin's command never takes the place of one of ours.
    """

    def __init__(
        self,
        *args: object,
        lazy: Mapping[str, tuple[str, str]],
        plugin_commands: str | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own arguments, passed through
        self._lazy = lazy
        self._entry_points = plugin_commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name our commands in their order, then the plugins' by name."""
        return [*self._lazy, *self._plugins()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command. Raises PluginError if a plugin's cannot be."""
        if cmd_name in self._lazy:
            module, _, attribute = self._lazy[cmd_name][0].partition(":")
            command = getattr(import_module(module), attribute)
        elif distribution := self._plugins().get(cmd_name):
            command = self._plugin_command(cmd_name, distribution)
        else:
            return None
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the names of commands without importing them, and options."""
        from click.shell_completion import CompletionItem

        names = {name: line for name, (_, line) in self._lazy.items()}
        names.update({name: f"from {distribution}" for name, distribution in self._plugins().items()})
        found = [CompletionItem(name, help=line) for name, line in names.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._lazy.items()])
        if plugins := self._plugins():
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(name, f"from {distribution}") for name, distribution in plugins.items()])

    def _plugins(self) -> dict[str, str]:
        from importlib.metadata import entry_points

        if self._entry_points is None:
            return {}
        found = sorted(entry_points(group=self._entry_points), key=lambda point: point.name)
        return {p.name: p.dist.name if p.dist else p.value for p in found if p.name not in self._lazy}

    def _plugin_command(self, name: str, distribution: str) -> object:
        from importlib.metadata import entry_points

        assert self._entry_points is not None
        (point, *_) = entry_points(group=self._entry_points, name=name)
        try:
            command = point.load()
        except Exception as error:  # whatever a plugin's import does, say whose it is
            raise PluginError(
                f"the command {name!r} of plugin {distribution} cannot be imported: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(command, click.Command):
            raise PluginError(f"{point.value} of plugin {distribution} is no click command")
        return command
