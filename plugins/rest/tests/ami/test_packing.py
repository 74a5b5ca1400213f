"""Bodies as clients pack them: compressed, and in other characters than UTF-8; never more of them than is allowed."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from pathlib import Path

import pytest

from host.errors import HostError, InvalidScheduleError, Problem
from host.santedb.ami.values import AmiParameter, ParameterCollection
from host.santedb.ami.xml_reading import MAX_BYTES
from host.santedb.ami.xml_writing import write_xml
from host_rest.ami.codings import unpacked, utf8_json
from host_rest.ami.faults import AmiError, fault_of
from plugins.rest.tests.ami.amihost import Refresh, ami_host

START = f"/JobInfo/{Refresh.id}/$start"
JSON, XML = "application/json", "application/xml"
VALUES = json.dumps({"parameter": [{"name": "viewName", "value": "größe"}]}, ensure_ascii=False)
VALUES_XML = write_xml(ParameterCollection(parameter=(AmiParameter(name="viewName", value="größe"),)))


def bare_deflate(data: bytes) -> bytes:
    """Give what .NET's DeflateStream sends: no container."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED = [
    (gzip.compress(VALUES.encode()), JSON, "gzip"),
    (gzip.compress(VALUES_XML), XML, "GZip"),
    (zlib.compress(VALUES.encode()), JSON, "deflate"),
    (bare_deflate(VALUES_XML), XML, "deflate"),
    (VALUES.encode(), f"{JSON}; charset=utf-8", "identity"),
    (b"\xef\xbb\xbf" + VALUES.encode(), JSON, ""),
    (VALUES.encode("utf-16"), JSON, ""),
    (VALUES.encode("utf-16-be"), f'{JSON}; charset="UTF-16BE"', ""),
    (b"\xef\xbb\xbf" + VALUES_XML, f"{XML}; charset=utf-8", ""),
    (VALUES_XML.decode().replace("utf-8", "utf-16").encode("utf-16"), XML, ""),
]


def test_a_body_is_read_however_a_client_packs_it(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            for body, kind, coding in PACKED:
                headers = {"Content-Type": kind, **({"Content-Encoding": coding} if coding else {})}
                answer = await ami.send("POST", START, content=body, headers=headers)
                assert answer.status_code == 204, (kind, coding, answer.text)
                await ami.kit.run_due()

        assert [values["viewName"] for values in Refresh.seen] == ["größe"] * len(PACKED)

    asyncio.run(go())


def test_a_coding_that_is_not_known_is_refused_and_names_those_that_are(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            for coding in ("br", "lzma", "gzip, br", "gzip, gzip, gzip"):
                headers = {"Content-Type": JSON, "Content-Encoding": coding}
                answer = await ami.send("POST", START, content=b"x", headers=headers)
                assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip, deflate")
                assert answer.json()["$type"] == "FormatException"
            assert await ami.kit.runs_of(Refresh) == []

    asyncio.run(go())


def test_a_small_body_that_becomes_a_large_one_is_refused(tmp_path: Path) -> None:
    bomb = gzip.compress(b" " * (200 * MAX_BYTES), compresslevel=9)
    assert len(bomb) < MAX_BYTES

    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            for body, coding in ((bomb, "gzip"), (gzip.compress(bomb), "gzip, gzip")):
                headers = {"Content-Type": JSON, "Content-Encoding": coding}
                await ami.fault(413, "POST", START, content=body, headers=headers)
            assert await ami.kit.runs_of(Refresh) == []

    asyncio.run(go())


@pytest.mark.parametrize(
    "body",
    [b"", b"plain", gzip.compress(b"{}")[:-1], gzip.compress(b"{}") + b"more", gzip.compress(b"{}")[:-8] + b"\x00" * 8],
    ids=["empty", "plain", "cut", "more", "wrong sum"],
)
def test_a_damaged_body_is_refused(body: bytes) -> None:
    with pytest.raises(HostError, match="not whole gzip"):
        unpacked(body, "gzip", at_most=100)


def test_a_body_that_just_fits_is_taken() -> None:
    assert unpacked(gzip.compress(b"x" * 100), "gzip", at_most=100) == b"x" * 100
    with pytest.raises(AmiError, match="larger than 99 bytes"):
        unpacked(gzip.compress(b"x" * 100), "gzip", at_most=99)


@pytest.mark.parametrize(("body", "charset"), [(b"\xff\xfe{", "utf-16"), (b"{", "utf-16"), (b"{}", "utf-7")])
def test_characters_that_cannot_be_read_are_refused(body: bytes, charset: str) -> None:
    with pytest.raises(HostError, match="utf"):
        utf8_json(body, f"{JSON}; charset={charset}")


# Answers stay small


def test_a_fault_stays_small_whatever_was_sent(tmp_path: Path) -> None:
    longest = "x" * 500_000
    many = {"$type": "JobInfo", "schedule": [{"type": "x"}] * 20_000}
    bodies = [
        (START, {"parameter": [{"name": "viewName", "value": list(range(100_000))}]}),
        (START, {"parameter": [{"name": "n", "value": longest}]}),
        (START, {"parameter": [{}] * 100_000}),
        (f"/JobInfo/{Refresh.id}", many),
        (f"/JobInfo/{Refresh.id}", {"$type": longest}),
        (f"/JobInfo/{Refresh.id}", {"$type": "JobInfo", "id": longest}),
    ]

    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            for path, body in bodies:
                answer = await ami.send("POST" if path == START else "PUT", path, json=body)
                assert answer.status_code == 400, answer.text[:200]
                assert len(answer.content) < 10_000
            assert await ami.kit.runs_of(Refresh) == []
            assert (await ami.json(f"/JobInfo/{Refresh.id}"))["schedule"] == []

    asyncio.run(go())


def test_only_the_first_of_many_findings_are_told() -> None:
    problems = [Problem(message=f"finding {number}") for number in range(1000)]
    _, fault = fault_of(InvalidScheduleError("the schedules cannot be used", problems=problems))

    assert fault.message.startswith("the schedules cannot be used; finding 0; finding 1;")
    assert fault.message.endswith("finding 19; and 980 more")
