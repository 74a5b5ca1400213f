"""Configurations that name what is not there, or what does not fit together: every finding at once, with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.bad_input_desk import (
    PLUGIN_HEAD,
    check_and_serve,
    command,
    configuration,
    jobs,
    plugin,
    providers,
    refused,
)
from tests.acceptance.hostprocess import PLUGIN

pytestmark = pytest.mark.slow

GRAPH = '''
class Left(Contract):
    """One side."""

class Right(Contract):
    """The other side."""

class NeedsRight(Left):
    """A Left that needs a Right."""
    def __init__(self, right: Right) -> None: ...

class NeedsLeft(Right):
    """A Right that needs a Left."""
    def __init__(self, left: Left) -> None: ...

class OtherBus(LocalMessageBus):
    """Another bus, which wraps none."""
    is_default = False

class Vague(LocalMessageBus):
    """Wants what nobody can give."""
    is_default = False
    def __init__(self, size: int) -> None: ...

class Forward(LocalMessageBus):
    """Annotated with a name that is not there at run time."""
    is_default = False
    def __init__(self, size: "Nowhere") -> None: ...

class Needy(Mine):
    """A job that needs what nobody offers."""
    def __init__(self, right: Right) -> None: ...

class Warped(Mine):
    """A job for an executor that nobody offers."""
    executor = "warp"

@hookimpl
def host_service_providers():
    return [NeedsRight, NeedsLeft, OtherBus, Vague, Forward]

@hookimpl
def host_jobs():
    return [Needy, Warped]
'''


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", f"{PLUGIN}:{plugin(tmp_path / 'site', 'graph', GRAPH)}")
    return tmp_path / "host.config.xml"


def both(config: Path, *parts: str) -> tuple[str, str]:
    config.write_text(configuration("\n".join(parts)))
    return check_and_serve(config)


def test_unknown_providers_and_jobs_are_all_told_with_what_may_have_been_meant(config: Path) -> None:
    rows = providers('<add type="host.local.bus:LocalMesageBus"/>', '<add type="os:system"/>')
    found = jobs('<add type="probe_jobs:Fre"/>', '<add type="SanteDB.Nothing.Job, SanteDB.Nothing"/>')

    for said in both(config, rows, found):
        assert (
            "host.config.xml:3: unknown provider host.local.bus:LocalMesageBus"
            " (did you mean host.local.bus:LocalMessageBus?)" in said
        )
        assert "host.config.xml:4: unknown provider os:system (jobhost plugins lists what is installed)" in said
        assert "host.config.xml:6: unknown job probe_jobs:Fre (did you mean probe_jobs:Free?)" in said
        assert "host.config.xml:7: unknown job SanteDB.Nothing.Job, SanteDB.Nothing" in said
        assert "SanteDB.Nothing (did you mean" not in said


def test_unknown_settings_and_wrong_values_are_told_with_what_was_expected(config: Path) -> None:
    dispatcher = '<section xsi:type="DispatcherConfigurationSection" claimBach="5" cancelGrace="soon"/>'
    scheduler = '<section xsi:type="SchedulerConfigurationSection"><zone/></section>'
    store = '<section xsi:type="SqliteRunStoreConfigurationSection" synchronous="perhaps"/>'

    for said in both(config, dispatcher, scheduler, store):
        assert "host.config.xml:2: section DispatcherConfigurationSection has no attribute 'claimBach'" in said
        assert "(did you mean 'claimBatch'?)" in said
        assert "host.config.xml:2: attribute 'cancelGrace': expected a duration" in said
        assert "host.config.xml:3: <zone> is not expected in section SchedulerConfigurationSection" in said
        assert "host.config.xml:4: attribute 'synchronous': expected" in said


def test_a_reference_without_a_value_is_told_with_its_cure(config: Path) -> None:
    for said in both(config, '<section xsi:type="SchedulerConfigurationSection" timezone="${NO_SUCH_ZONE}"/>'):
        assert (
            "host.config.xml:2: attribute 'timezone' of <section>: environment variable NO_SUCH_ZONE is not set"
            " (set it, or write ${NO_SUCH_ZONE:-default})" in said
        )


def test_a_default_zone_that_is_none_is_refused_at_its_section(config: Path) -> None:
    for said in both(config, '\n<section xsi:type="SchedulerConfigurationSection" timezone="Europe/Prag"/>'):
        assert "host.config.xml:3: the default zone of schedules: unknown time zone 'Europe/Prag'" in said
        assert "did you mean Europe/Prague" in said


def test_a_section_that_nobody_reads_is_told_by_check_with_what_may_have_been_meant(config: Path) -> None:
    config.write_text(configuration('<section xsi:type="DispatchrConfigurationSection" claimBatch="5"/>'))

    said = refused(command("check", "--config", config.name, cwd=config.parent), 2)

    assert "host.config.xml:2: section DispatchrConfigurationSection" in said
    assert "did you mean 'DispatcherConfigurationSection'?" in said


def test_two_providers_of_which_neither_wraps_the_other_are_ambiguous(config: Path) -> None:
    for said in both(config, providers('<add type="host.local.bus:LocalMessageBus"/>', '<add type="graph:OtherBus"/>')):
        assert "MessageBus" in said
        assert "host.config.xml:3" in said
        assert "host.config.xml:4" in said


def test_a_missing_contract_is_told_with_who_needs_it(config: Path) -> None:
    for said in both(config, providers('<add type="graph:NeedsRight"/>')):
        assert (
            "graph:NeedsRight (host.config.xml:3) needs Right, and no configured provider offers it"
            " (add one to <serviceProviders>)" in said
        )


def test_a_circle_is_told_with_every_line_of_it(config: Path) -> None:
    for said in both(config, providers('<add type="graph:NeedsRight"/>', '<add type="graph:NeedsLeft"/>')):
        assert "graph:NeedsRight (host.config.xml:3) -> graph:NeedsLeft (host.config.xml:4) -> graph:NeedsRight" in said
        assert "(one of them must not need the other)" in said


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("graph:Vague", "graph:Vague needs 'size', which is neither a contract nor settings (annotate it with"),
        ("graph:Forward", "Forward: name 'Nowhere' is not defined (import annotations at run time, too)"),
    ],
)
def test_a_constructor_that_cannot_be_wired_is_told_at_its_row(config: Path, row: str, words: str) -> None:
    for said in both(config, providers(f'<add type="{row}"/>')):
        assert f"host.config.xml:3: {words}" in said


def test_jobs_that_can_never_run_are_told_at_their_rows(config: Path) -> None:
    too_many = '<add type="probe_jobs:Free"><parameters><int>1</int><int>2</int></parameters></add>'
    for said in both(config, jobs('<add type="graph:Needy"/>', '<add type="graph:Warped"/>', too_many)):
        assert "host.config.xml:3: job graph:Needy needs Right, and no configured provider offers it" in said
        assert "host.config.xml:4: job graph:Warped wants executor 'warp'" in said
        assert "(there are loop, process, thread)" in said
        assert "host.config.xml:5: job probe_jobs:Free takes 1 parameters, 2 are configured" in said


def test_findings_for_programs_have_place_message_and_hint_apart(config: Path) -> None:
    config.write_text(configuration(providers('<add type="host.local.bus:LocalMesageBus"/>')))

    done = command("check", "--json", "--config", config.name, cwd=config.parent)
    report = json.loads(done.stdout)

    assert done.returncode == 2
    assert report["is_clean"] is False
    assert report["unknown"] == [
        {
            "message": "unknown provider host.local.bus:LocalMesageBus",
            "where": "host.config.xml:3",
            "hint": "did you mean host.local.bus:LocalMessageBus?",
        }
    ]


def test_what_a_plugin_prints_at_import_is_no_part_of_a_report_for_programs(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loud = plugin(tmp_path / "loud", "loud", 'print("welcome to loud")\n', head=PLUGIN_HEAD)
    monkeypatch.setenv("PYTHONPATH", str(loud))
    config.write_text(configuration())

    for words in (("check",), ("plugins",)):
        done = command(*words, "--json", "--config", config.name, cwd=config.parent)
        assert done.returncode == 0
        assert json.loads(done.stdout)
        assert "welcome to loud" in done.stderr
