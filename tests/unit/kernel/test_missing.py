"""What nobody offers: the plugin that could not be loaded is named first and once, and only for what is its own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from host.errors import ConfigurationError, Problem
from host.kernel.catalogue import GROUP, Catalogue, load_catalogue
from host.kernel.check import check_configuration
from host.kernel.host import Host
from host.testing.host import write_configuration

BROKEN = EntryPoint("ovens", "acme_ovens.plugin", GROUP)
CONFIGURATION = '<section xsi:type="JobConfigurationSection"><jobs>{}</jobs></section>'


def installed(*, without: str = "", beside: EntryPoint | None = None) -> Catalogue:
    """Load the installed plugins; the one named ``without`` has lost its module."""
    points = [
        EntryPoint(point.name, f"{point.module.rpartition('.')[0]}.lost", GROUP) if point.name == without else point
        for point in entry_points(group=GROUP)
    ]
    return load_catalogue([*points, beside] if beside else points)


def told(folder: Path, catalogue: Catalogue, *job_types: str) -> Sequence[Problem]:
    rows = "".join(f'<add type="{job_type}" />' for job_type in job_types)
    config = write_configuration(folder, sections=CONFIGURATION.format(rows))
    with pytest.raises(ConfigurationError) as caught:
        Host.from_file(config, catalogue=catalogue)
    return caught.value.problems


def hint_for(folder: Path, catalogue: Catalogue, job_type: str) -> str | None:
    return next(problem.hint for problem in told(folder, catalogue, job_type) if job_type in problem.message)


@pytest.mark.parametrize("plugin", ["engine", "local"])
def test_a_plugin_whose_defaults_are_missing_is_named_first_and_once(tmp_path: Path, plugin: str) -> None:
    problems = told(tmp_path, installed(without=plugin))

    assert problems[0].message.startswith(f"plugin {plugin} (")
    assert f"No module named 'host.{plugin}.lost'" in problems[0].message
    assert "".join(map(str, problems)).count("could not be loaded") == 1


def test_a_contract_that_many_need_is_missing_once(tmp_path: Path) -> None:
    problems = told(tmp_path, installed(without="local"))

    (clock,) = [problem.message for problem in problems if " needs Clock, " in problem.message]
    assert clock.endswith(" more need it")


def test_a_broken_plugin_is_not_blamed_where_only_something_else_is_wrong(tmp_path: Path) -> None:
    problems = told(tmp_path, installed(beside=BROKEN), "host_maintenance.prune:PruneHistroy")

    assert [problem.message for problem in problems] == ["unknown job host_maintenance.prune:PruneHistroy"]
    assert problems[0].hint == "did you mean host_maintenance.prune:PruneHistory?"


def test_names_in_the_package_of_a_broken_plugin_are_its_own(tmp_path: Path) -> None:
    catalogue = installed(beside=BROKEN)
    first, *others = told(tmp_path, catalogue, "acme_ovens.gas:Oven", "acme_ovens:Baking", "acme_ovens_too:Baking")

    assert "plugin ovens (unknown) could not be loaded: import failed: ModuleNotFoundError" in first.message
    assert [problem.hint for problem in others] == [
        "plugin 'ovens' could not be loaded",
        "plugin 'ovens' could not be loaded",
        "jobhost plugins lists what is installed",
    ]


def test_a_broken_plugin_that_is_a_single_module_owns_that_module_alone(tmp_path: Path) -> None:
    catalogue = installed(beside=EntryPoint("ovens", "ovens", GROUP))

    assert hint_for(tmp_path, catalogue, "ovens:Baking") == "plugin 'ovens' could not be loaded"
    assert hint_for(tmp_path, catalogue, "kitchens:Baking") == "jobhost plugins lists what is installed"


def test_a_check_tells_a_broken_plugin_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write_configuration(tmp_path)
    for catalogue in (installed(without="engine"), installed(beside=BROKEN)):
        monkeypatch.setattr("host.kernel.check.load_catalogue", lambda found=catalogue: found)
        report = check_configuration(config)
        said = [*report.problems, *report.unknown, *report.warnings]
        assert "".join(map(str, said)).count("could not be loaded") == 1
