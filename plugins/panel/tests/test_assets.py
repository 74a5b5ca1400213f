"""What pages load: files by their content, packed, and those of others as their list says."""

from __future__ import annotations

import asyncio
import gzip
import re
from hashlib import sha256
from pathlib import Path

import pytest

from host.errors import HostError
from host_panel.assets import FOLDER, address, asset
from plugins.panel.tests.panelhost import PanelHost, panel_host


def test_files_of_others_are_those_that_the_list_names() -> None:
    listed = re.findall(r"^\| `(.+?)` .*\| `([0-9a-f]{64})` \|$", (FOLDER / "licences/README.md").read_text(), re.M)

    assert {name for name, _ in listed} == {path.name for path in FOLDER.glob("*.min.*")}
    for name, digest in listed:
        assert sha256((FOLDER / name).read_bytes()).hexdigest() == digest, name


@pytest.mark.parametrize("name", ["nothing.css", "../face.py", "licences/htmx.txt", "", "panel.css/x"])
def test_what_is_none_of_the_panels_files_is_refused(name: str) -> None:
    with pytest.raises(HostError):
        asset(name)


@pytest.mark.slow
def test_a_file_is_kept_for_ever_under_the_address_of_its_content(tmp_path: Path) -> None:
    async def check() -> None:
        async with panel_host(tmp_path) as web:
            await look(web)

    async def look(web: PanelHost) -> None:
        found = await web.open(address("panel.css"), None)
        assert (found.status_code, found.headers["content-encoding"]) == (200, "gzip")
        assert "immutable" in found.headers["cache-control"]
        assert "set-cookie" not in found.headers
        old = await web.open("/assets/0123456789abcdef/panel.css", None, headers={"Accept-Encoding": "identity"})
        assert (old.status_code, old.content) == (200, (FOLDER / "panel.css").read_bytes())
        assert "immutable" not in old.headers["cache-control"]

    asyncio.run(check())
    assert gzip.decompress(asset("panel.css").packed) == (FOLDER / "panel.css").read_bytes()
