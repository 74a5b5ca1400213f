"""The pages of the command line and of the errors name exactly what there is."""

from __future__ import annotations

import re
from pathlib import Path

import click

from host.cli.main import root
from host.errors import EXIT_STATUS, ErrorKind, HostError

PAGES = Path(__file__).parents[3] / "docs" / "reference"


def commands(command: click.Command, path: str) -> list[str]:
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    found = []
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        found += commands(inner, f"{path} {name}")
    return found


def test_every_command_has_a_section_with_an_example() -> None:
    page = (PAGES / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `(jobhost [a-z ]+)`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert sorted(sections) == sorted(commands(root, "jobhost"))
    assert [name for name, text in sections.items() if f"```console\n$ {name}" not in text] == []


def test_every_option_of_a_command_is_on_the_page() -> None:
    page = (PAGES / "cli.md").read_text(encoding="utf-8")
    missing = []
    for path in commands(root, "jobhost"):
        command: click.Command = root
        for name in path.split()[1:]:
            assert isinstance(command, click.Group)
            inner = command.get_command(click.Context(command), name)
            assert inner is not None
            command = inner
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        missing += [f"{path} {option}" for option in options if f"{option}" not in page]
    assert missing == []


def test_the_table_of_errors_is_the_hosts() -> None:
    page = (PAGES / "errors.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z-]+)` \| ([a-z]+) \| (\d) \| `(\w+)` \| \S", page, re.MULTILINE))
    ours = [HostError, *(kind for kind in HostError.by_code.values() if kind.__module__ == "host.errors")]
    assert rows == {(kind.code, kind.kind.value, str(EXIT_STATUS[kind.kind]), kind.__name__) for kind in ours}


def test_the_table_of_kinds_is_the_hosts() -> None:
    page = (PAGES / "errors.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z]+)` \| [^|]+ \| (\d) \|$", page, re.MULTILINE))
    assert rows == {(kind.value, str(EXIT_STATUS[kind])) for kind in ErrorKind}
