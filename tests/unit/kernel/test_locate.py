"""Where a host is to be found, also while its configuration is being edited."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.errors import ConfigurationError
from host.kernel.locate import data_directory

CONFIGURATION = """<SanteDBConfiguration xmlns="http://santedb.org/configuration"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
{directory}
{rest}
</SanteDBConfiguration>"""
DIRECTORY = '<section xsi:type="DataDirectoryConfigurationSection" path="{path}"/>'
WRONG = [
    '<section xsi:type="HostConfigurationSection" drain="soon"/>',
    '<section xsi:type="HostConfigurationSection" drain="${NO_SUCH_NAME_IS_SET}"/>',
    "<section/>",
    "<include>nowhere.xml</include>",
    "<surprise/>",
]


def configuration(folder: Path, *, path: str | None = "store", rest: str = "") -> Path:
    file = folder / "host.config.xml"
    directory = DIRECTORY.format(path=path) if path is not None else ""
    file.write_text(CONFIGURATION.format(directory=directory, rest=rest))
    return file


@pytest.mark.parametrize("rest", ["", *WRONG])
def test_the_place_is_known_whatever_is_wrong_elsewhere(tmp_path: Path, rest: str) -> None:
    assert data_directory(configuration(tmp_path, rest=rest)) == tmp_path / "store"


def test_without_a_section_it_is_the_default(tmp_path: Path) -> None:
    assert data_directory(configuration(tmp_path, path=None)) == tmp_path / "data"


@pytest.mark.parametrize("rest", WRONG[2:])
def test_without_a_section_nothing_may_be_wrong_where_it_might_have_stood(tmp_path: Path, rest: str) -> None:
    with pytest.raises(ConfigurationError):
        data_directory(configuration(tmp_path, path=None, rest=rest))


@pytest.mark.parametrize("path", ["${NO_SUCH_NAME_IS_SET}", ""])
def test_what_is_wrong_in_the_section_itself_is_told_with_its_line(tmp_path: Path, path: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        data_directory(configuration(tmp_path, path=path))
    assert [problem.where for problem in caught.value.problems] == [f"{tmp_path / 'host.config.xml'}:3"]


def test_a_file_that_is_no_xml_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "host.config.xml"
    file.write_text("<SanteDBConfiguration")
    with pytest.raises(ConfigurationError):
        data_directory(file)
