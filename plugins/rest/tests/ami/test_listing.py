"""What GET shows of jobs: page by page, one by one, in JSON and XML."""

from __future__ import annotations

import asyncio
from pathlib import Path
from xml.etree import ElementTree

from host.contracts.jobs import JobManagerService
from host.model.schedules import JobSchedule
from host.santedb.ami import xml_reading
from plugins.rest.tests.ami.amihost import XML, Break, Refresh, Wait, ami_host

AMI = "{http://santedb.org/ami}"


def test_a_page_has_santedbs_members_in_its_order(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            page = await ami.json("/JobInfo?_queryId=1&_count=10&_offset=0&_includeTotal=true")

        assert list(page) == ["resource", "offset", "size"]
        assert (page["offset"], page["size"]) == (0, 3)
        assert [job["name"] for job in page["resource"]] == ["Break", "Refresh BI Materialized Views", "Wait"]
        refresh = page["resource"][1]
        assert list(refresh) == [
            *("id", "schedule", "progress", "tag", "modified", "name", "canCancel", "state"),
            *("parameters", "jobType", "description"),
        ]
        assert refresh["id"] == str(Refresh.id)
        assert refresh["state"] == "NotRun"
        assert refresh["schedule"] == []
        assert refresh["parameters"][:2] == [{"key": "viewName", "type": "String"}, {"key": "n", "type": "Int32"}]

    asyncio.run(go())


LISTINGS = (
    ("", ["Break", "Refresh BI Materialized Views", "Wait"], 0),
    ("?name=wait", ["Wait"], 0),
    ("?name=wai", [], 0),
    ("?name=~BI%20MAT", ["Refresh BI Materialized Views"], 0),
    ("?name=wait&name=break", ["Break", "Wait"], 0),
    ("?name=~a&_includeTotal=true&_count=1", ["Break"], 3),
    ("?_count=0", [], 3),
    ("?_offset=2", ["Wait"], 0),
    ("?_offset=3", [], 0),
    ("?_orderBy=name:desc&_count=2", ["Wait", "Refresh BI Materialized Views"], 0),
    ("?_orderBy=description:asc&_count=1", ["Break"], 0),
    ("?unknown=1&_queryId=x", ["Break", "Refresh BI Materialized Views", "Wait"], 0),
)
MEANINGLESS = (
    "_count=-1",
    "_count=1001",
    "_count=x",
    "_offset=1.5",
    "_orderBy=state:asc",
    "_orderBy=name:up",
    "name=%FF",
)


def test_a_listing_is_filtered_ordered_and_paged(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            pages = {query: await ami.json(f"/JobInfo{query}") for query, _, _ in LISTINGS}
        for query, names, size in LISTINGS:
            assert [job["name"] for job in pages[query]["resource"]] == names, query
            assert pages[query]["size"] == size, query

    asyncio.run(go())


def test_a_query_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            for query in MEANINGLESS:
                assert (await ami.fault(400, "GET", f"/JobInfo?{query}"))["$type"] == "ArgumentException"

    asyncio.run(go())


def test_one_job_tells_of_its_latest_run(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            run = await ami.kit.perform(Refresh)
            job = await ami.json(f"/JobInfo/{Refresh.id}")

        assert run.started_at is not None
        assert run.finished_at is not None
        assert (job["state"], job["progress"], job["status"]) == ("Completed", 1.0, "refreshed")
        assert (job["lastStart"], job["lastFinish"]) == (run.started_at.isoformat(), run.finished_at.isoformat())

    asyncio.run(go())


def test_a_failed_job_is_aborted_has_a_finish_and_tells_its_error(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            await ami.kit.perform(Break)
            job = (await ami.json("/JobInfo?name=Break"))["resource"][0]

        assert job["state"] == "Aborted"
        assert job["status"] == "RuntimeError: the disk is <full>"
        assert job["lastFinish"] >= job["lastStart"]

    asyncio.run(go())


def test_a_running_job_tells_how_far_it_is(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            await ami.kit.submit(Wait)
            async with asyncio.timeout(60):
                await Wait.begun.wait()
                while (job := await ami.json(f"/JobInfo/{Wait.id}")).get("status") != "waiting":
                    await asyncio.sleep(0.02)
            assert (job["state"], job["progress"]) == ("Running", 0.25)
            assert "lastFinish" not in job
            await ami.kit.get(JobManagerService).cancel_job(str(Wait.id))

    asyncio.run(go())


def test_job_type_is_the_jobs_own_class_by_santedbs_name_if_it_has_one(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            jobs = (await ami.json("/JobInfo"))["resource"]
        assert jobs[1]["jobType"] == "SanteDB.BI.Jobs.BiMaterializeJob, SanteDB.BI"
        assert jobs[2]["jobType"] == f"{Wait.__module__}:Wait"

    asyncio.run(go())


def test_xml_tells_the_same_with_nil_for_what_never_happened(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            await ami.kit.perform(Break)
            answer = await ami.send("GET", "/JobInfo?_includeTotal=true", headers=XML)
            one = await ami.send("GET", f"/JobInfo/{Refresh.id}", headers=XML)

        assert answer.headers["content-type"] == "application/xml"
        page = xml_reading.read_collection(answer.content)
        assert (page.size, len(page.resource)) == (3, 3)
        assert xml_reading.read_job(one.content) == page.resource[1]
        root = ElementTree.fromstring(one.content)
        assert root.tag == f"{AMI}JobInfo"
        finish = root.find(f"{AMI}lastFinish")
        assert finish is not None
        assert finish.get("{http://www.w3.org/2001/XMLSchema-instance}nil") == "true"

    asyncio.run(go())


# One job's headers


def test_an_entity_tag_is_known_again_until_something_changes(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            path = f"/JobInfo/{Refresh.id}"
            first = await ami.send("GET", path)
            tag = first.headers["etag"]
            again = await ami.send("GET", path, headers={"If-None-Match": f'"other", W/{tag}'})
            any_tag = await ami.send("GET", path, headers={"If-None-Match": "*"})
            in_xml = await ami.send("GET", path, headers={"Accept": "application/xml", "If-None-Match": tag})
            manager = ami.kit.get(JobManagerService)
            await manager.set_job_schedule(str(Refresh.id), [JobSchedule.cron("0 3 * * *")])
            hidden = await ami.send("GET", path, headers={"If-None-Match": tag})
            await ami.kit.perform(Refresh)
            changed = await ami.send("GET", path, headers={"If-None-Match": tag})

        assert first.json()["tag"] == tag.strip('"')
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert any_tag.status_code == 304
        assert in_xml.status_code == 200
        assert in_xml.headers["etag"] != tag
        assert hidden.status_code == 304
        assert changed.status_code == 200

    asyncio.run(go())


def test_head_has_the_headers_of_get_and_no_body(tmp_path: Path) -> None:
    async def go() -> None:
        async with ami_host(tmp_path) as ami:
            got = await ami.send("GET", f"/JobInfo/{Refresh.id}")
            head = await ami.send("HEAD", f"/JobInfo/{Refresh.id}")

        assert head.content == b""
        for name in ("etag", "last-modified", "content-location", "content-length", "content-type"):
            assert head.headers[name] == got.headers[name]
        assert got.headers["content-location"] == f"/ami/JobInfo/{Refresh.id}"
        assert got.headers["x-generatedon"].endswith("+00:00")

    asyncio.run(go())


def test_a_job_that_is_not_there_is_told_from_what_is_no_id(tmp_path: Path) -> None:
    async def go() -> None:
        missing = "71f82f18-992d-4a71-9d0c-000000000000"
        async with ami_host(tmp_path) as ami:
            for job_id, status, exception in (("1", 400, "ArgumentException"), (missing, 404, "KeyNotFoundException")):
                for method, path in (("GET", ""), ("POST", "/$start"), ("POST", "/$cancel")):
                    assert (await ami.fault(status, method, f"/JobInfo/{job_id}{path}"))["$type"] == exception
                assert (await ami.send("HEAD", f"/JobInfo/{job_id}")).content == b""

    asyncio.run(go())
