"""The root: what starts fast, what failures look like, and how plugins add commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from host.cli.main import COMMANDS, Root, root
from host.errors import EXIT_STATUS, ErrorKind, HostError, InvalidRequestError, PluginError, Problem

FORBIDDEN = ("lxml", "dependency_injector", "rich", "structlog", "msgspec", "asyncio", "croniter", "pluggy")
HOSTS_OWN = ("lxml", "dependency_injector", "structlog", "croniter", "pluggy", "host.kernel", "host.engine")
WEB = ("fastapi", "starlette", "pydantic", "uvicorn", "joserfc", "argon2", "cryptography", "opentelemetry")


def failing(error: BaseException, **environment: str | None) -> Result:
    """Run a command that raises, under a root like ours."""

    @click.group(cls=Root, lazy={})
    def group() -> None: ...

    def boom() -> None:
        raise error

    group.add_command(click.command("boom")(boom))
    group.get_command = lambda _, name: group.commands[name]  # type: ignore[method-assign]  # no module holds it
    return CliRunner().invoke(group, ["boom"], env={"JOBHOST_DEBUG": None, **environment})


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom host.cli.main import root\n"
        "try: root(['--help'], prog_name='jobhost')\nexcept SystemExit: pass\n"
        f"print(sorted(set(sys.modules) & set({FORBIDDEN!r})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "Run the host until it is stopped." in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("command", ["jobs start x", "runs list", "schedule list", "status", "reload", "drain"])
def test_a_command_that_speaks_with_a_host_imports_nothing_of_it(tmp_path: Path, command: str) -> None:
    code = (
        "import sys\nfrom host.cli.main import root\n"
        f"try: root({[*command.split(), '--data', str(tmp_path)]!r}, prog_name='jobhost')\nexcept SystemExit: pass\n"
        f"print(sorted(set(sys.modules) & set({HOSTS_OWN + WEB!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no host is running" in done.stderr
    assert done.stdout.strip() == "[]"


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "host", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("jobhost ")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_help_in_the_list_is_the_commands_own(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert command.name == name
    assert command.help is not None
    assert command.help.splitlines()[0] == COMMANDS[name][1]


def all_commands() -> list[str]:
    found = []

    def walk(command: click.Command, path: str) -> None:
        found.append(path)
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                inner = command.get_command(click.Context(command), name)
                assert inner is not None
                walk(inner, f"{path} {name}".strip())

    walk(root, "")
    return found


@pytest.mark.parametrize("path", all_commands())
def test_every_command_has_help(path: str) -> None:
    result = CliRunner().invoke(root, [*path.split(), "--help"], prog_name="jobhost")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: jobhost {path}".rstrip())


@pytest.mark.parametrize("kind", ErrorKind)
def test_a_host_error_is_one_message_and_its_exit_status(kind: ErrorKind) -> None:
    error = HostError(
        "it is so", where="a.xml:3", hint="do that", problems=[Problem(message="p1", where="w", hint="h")]
    )
    vars(error)["kind"] = kind
    result = failing(error)
    assert result.exit_code == EXIT_STATUS[kind]
    assert result.stdout == ""
    assert result.stderr == "error: it is so\n  where: a.xml:3\n  hint: do that\n  - w: p1 (h)\n"


def test_an_error_inside_a_group_is_the_same() -> None:
    result = failing(ExceptionGroup("tasks", [ExceptionGroup("inner", [InvalidRequestError("no")])]))
    assert (result.exit_code, result.stderr) == (2, "error: no\n")


def test_control_characters_in_messages_are_shown_not_obeyed() -> None:
    assert failing(InvalidRequestError("\x1b[2J\u202etxt")).stderr == "error: \\x1b[2J\\x202etxt\n"


def test_a_defect_is_one_line_and_a_hint() -> None:
    result = failing(ZeroDivisionError("oh\nsecond line"))
    assert result.exit_code == 1
    assert (
        result.stderr
        == "error: ZeroDivisionError: oh\n  hint: this is a defect; JOBHOST_DEBUG=1 shows where it happened\n"
    )


def test_debug_shows_where_a_defect_happened() -> None:
    result = failing(ZeroDivisionError("oh"), JOBHOST_DEBUG="1")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "in boom" in result.stderr


def test_an_interrupt_ends_with_130() -> None:
    assert failing(KeyboardInterrupt()).exit_code == 130


def test_without_any_host_named_it_says_how_to_name_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(root, ["status"], env={"JOBHOST_DATA": None, "JOBHOST_CONFIG": None})
    assert result.exit_code == 2
    assert "use --data DIR, --config FILE" in result.stderr


def test_no_running_host_is_exit_5(tmp_path: Path) -> None:
    result = CliRunner().invoke(root, ["status", "--data", str(tmp_path)])
    assert result.exit_code == 5
    assert result.stderr == f"error: no host is running on {tmp_path}\n  hint: start one: jobhost serve\n"


def test_data_and_config_together_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(root, ["status", "--data", str(tmp_path), "--config", "c.xml"])
    assert result.exit_code == 2
    assert "not both" in result.stderr


def entry_points_of(*points: EntryPoint) -> Callable[..., list[EntryPoint]]:
    def entry_points(*, group: str, name: str | None = None) -> list[EntryPoint]:
        return [point for point in points if group == "host.commands" and name in {None, point.name}]

    return entry_points


def test_commands_of_plugins_are_listed_by_name_and_imported_when_called(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint(name="zeta", value="module_that_is_missing:command", group="host.commands"),
        EntryPoint(name="alpha", value="host.cli.serve:serve", group="host.commands"),
        EntryPoint(name="number", value="host.cli.main:COMMANDS", group="host.commands"),
        EntryPoint(name="status", value="module_that_is_missing:command", group="host.commands"),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", entry_points_of(*points))
    listed = CliRunner().invoke(root, ["--help"]).stdout
    assert [line.split()[0] for line in listed.partition("Commands of plugins:\n")[2].splitlines()] == [
        "alpha",
        "number",
        "zeta",
    ]
    assert CliRunner().invoke(root, ["alpha", "--help"]).exit_code == 0
    broken = CliRunner().invoke(root, ["zeta"])
    assert broken.exit_code == EXIT_STATUS[PluginError.kind]
    assert "the command 'zeta' of plugin module_that_is_missing:command cannot be imported" in broken.stderr
    assert "is no click command" in CliRunner().invoke(root, ["number"]).stderr


@pytest.mark.slow
def test_a_reader_that_leaves_early_is_no_failure_to_talk_about(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    arguments = ["schedule", "next", "--cron", "* * * * *", "--count", "2000", "--json"]
    done = subprocess.run([sys.executable, "-m", "host", *arguments], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert b"Traceback" not in done.stderr
    assert b"defect" not in done.stderr
