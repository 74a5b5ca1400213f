"""A client of SanteDB's AMI, by the description of SanteDB's interface alone: what its admin page and its clients send.

Standard library only, so that nothing of this project answers to itself.
"""

from __future__ import annotations

import http.client
import json
import uuid
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree as Tree

AMI, MODEL, FAULT = "http://santedb.org/ami", "http://santedb.org/model", "http://santedb.org/fault"
CONFIGURATION = "http://santedb.org/configuration"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
MEDIA_TYPES = {"json": "application/json", "xml": "application/xml"}


class AmiFaultError(Exception):
    """The server refused a request."""

    def __init__(self, status: int, type: str, message: str, headers: dict[str, str]) -> None:
        super().__init__(f"{status} {type}: {message}")
        self.status, self.type, self.headers = status, type, headers


class AmiClient:
    """Speaks to one server, in JSON as the admin page does, or in XML as SanteDB's upstream job manager does."""

    def __init__(self, base: str, form: str) -> None:
        self.base, self.form = urlsplit(base), form
        self.token: str | None = None

    def sign_in(self, client_id: str, secret: str) -> dict[str, Any]:
        """Get a token by client_credentials."""
        fields = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": "*"}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        status, _, body = self.send("POST", "/auth/oauth2_token", urlencode(fields).encode(), headers)
        assert status == 200, body
        issued: dict[str, Any] = json.loads(body)
        self.token = issued["access_token"]
        return issued

    def ping(self) -> int:
        """Ask whether anybody is there."""
        return self.send("PING", "/ami/", b"", {})[0]

    def capabilities(self) -> dict[str, list[str]]:
        """Give what can be done with jobs: ``{capability, in lower case: demanded policies}``."""
        body = self.ask("OPTIONS", "/ami/")
        if self.form == "json":
            (jobs,) = (each for each in json.loads(body)["resource"] if each["resource"] == "JobInfo")
            return {each["cap"].lower(): each["demand"] for each in jobs["cap"]}
        found = Tree.fromstring(body).find(f"{{{MODEL}}}resource[@resource='JobInfo']")
        assert found is not None
        return {
            str(cap.get("cap")): [demand.text or "" for demand in cap.iter(f"{{{MODEL}}}demand")]
            for cap in found.findall(f"{{{MODEL}}}cap")
        }

    def jobs(self, name: str | None = None, *, count: int = 10, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Give a page of jobs, and how many there are, as the admin page asks for them."""
        query = f"_queryId={uuid.uuid4()}&_count={count}&_offset={offset}&_includeTotal=true"
        page = self.listing(query if name is None else f"{query}&name=~{quote(name)}")
        return page["resource"], page["size"]

    def candidates(self) -> list[str]:
        """Give the types that may be registered."""
        return [each["type"] for each in self.listing("_unconfigured=true")["resource"]]

    def listing(self, query: str) -> dict[str, Any]:
        """Give one listing."""
        body = self.ask("GET", f"/ami/JobInfo?{query}")
        if self.form == "json":
            page: dict[str, Any] = json.loads(body)
            return page
        root = Tree.fromstring(body)
        assert root.tag == "AmiCollection"
        return {
            "resource": [_resource(each) for each in root.findall(f"{{{AMI}}}resource")],
            "offset": int(root.findtext(f"{{{AMI}}}offset", "")),
            "size": int(root.findtext(f"{{{AMI}}}size", "")),
        }

    def job(self, job_id: str) -> dict[str, Any]:
        """Give one job."""
        return self._job(self.ask("GET", f"/ami/JobInfo/{job_id}"))

    def register(self, job_type: str) -> dict[str, Any]:
        """Register a type; gives the job."""
        if self.form == "json":
            body = json.dumps({"$type": "JobInfo", "jobType": job_type}).encode()
        else:
            body = Tree.tostring(Tree.Element("TypeReferenceConfiguration", {"type": job_type}))
        return self._job(self.ask("POST", "/ami/JobInfo", body, expected=201))

    def schedule(self, job_id: str, schedules: list[dict[str, Any]] | None) -> dict[str, Any]:
        """Send a job back with other schedules; gives the job as the server tells it."""
        job = {**self.job(job_id), "schedule": schedules}
        body = json.dumps({"$type": "JobInfo", **job}).encode() if self.form == "json" else _job_xml(job)
        return self._job(self.ask("PUT", f"/ami/JobInfo/{job_id}", body, expected=201))

    def start(self, job_id: str, **values: Any) -> None:
        """Start a job: in JSON by the parameters' names, in XML in their order, all named ``_``."""
        self._operate(job_id, "$start", values)

    def cancel(self, job_id: str) -> None:
        """Cancel a job."""
        self._operate(job_id, "$cancel", {})

    def ask(self, method: str, path: str, body: bytes = b"", *, expected: int = 200) -> bytes:
        """Send a request as whoever signed in; raises AmiFaultError for another status than the one expected."""
        media_type = MEDIA_TYPES[self.form]
        headers = {"Accept": media_type, "X-SdbLanguage": "en", **({"Content-Type": media_type} if body else {})}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        status, told, answer = self.send(method, path, body, headers)
        if status != expected:
            raise AmiFaultError(status, *self._fault(answer), told)
        return answer

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Send a request over a connection of its own; gives status, headers in lower case, and body."""
        connection = http.client.HTTPConnection(str(self.base.hostname), self.base.port, timeout=60)
        try:
            connection.request(method, path, body=body or None, headers=headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def _operate(self, job_id: str, operation: str, values: dict[str, Any]) -> None:
        if self.form == "json":
            parameters = [{"name": name, "value": value} for name, value in values.items()]
            body = json.dumps({"parameter": parameters}).encode()
        else:
            body = _parameters_xml(list(values.values()))
        answer = self.ask("POST", f"/ami/JobInfo/{job_id}/{operation}", body, expected=204)
        assert answer == b""

    def _job(self, body: bytes) -> dict[str, Any]:
        if self.form == "json":
            job: dict[str, Any] = json.loads(body)
            return job
        root = Tree.fromstring(body)
        assert root.tag == f"{{{AMI}}}JobInfo"
        return _read_job(root)

    def _fault(self, body: bytes) -> tuple[str, str]:
        if self.form == "json":
            fault = json.loads(body)
            return fault["$type"], fault["message"]
        root = Tree.fromstring(body)
        assert root.tag == f"{{{FAULT}}}RestServiceFault"
        return root.findtext(f"{{{FAULT}}}type", ""), root.findtext(f"{{{FAULT}}}message", "")


def _resource(element: Tree.Element) -> dict[str, Any]:
    kind = element.get(f"{{{XSI}}}type", "")
    if kind.endswith(":TypeReferenceConfiguration"):
        return {"type": element.get("type")}
    assert kind == "JobInfo"
    return _read_job(element)


def _read_job(element: Tree.Element) -> dict[str, Any]:
    """Give a job's XML by the names of its JSON."""
    job: dict[str, Any] = {"schedule": []}
    for child in element:
        name = child.tag.removeprefix(f"{{{AMI}}}")
        if child.get(f"{{{XSI}}}nil") == "true":
            continue
        if name == "schedule":
            job["schedule"].append(_read_schedule(child))
        elif name == "parameters":
            job["parameters"] = [dict(each.attrib) for each in child]
        else:
            job[name] = child.text or ""
    job["progress"] = float(job["progress"])
    job["canCancel"] = job["canCancel"] == "true"
    return job


def _read_schedule(element: Tree.Element) -> dict[str, Any]:
    schedule: dict[str, Any] = {}
    for child in element:
        name, text = child.tag.removeprefix(f"{{{AMI}}}"), child.text or ""
        if name == "repeat":
            schedule.setdefault("repeat", []).append(text)
        else:
            schedule[name] = text.capitalize() if name == "type" else text
    return schedule


def _job_xml(job: dict[str, Any]) -> bytes:
    Tree.register_namespace("", AMI)
    root = Tree.Element(f"{{{AMI}}}JobInfo")
    _add(root, "id", job["id"])
    for schedule in job["schedule"] or ():
        element = Tree.SubElement(root, f"{{{AMI}}}schedule")
        for name in ("type", "interval", "start", "stop"):
            if name in schedule:
                _add(element, name, schedule[name].lower() if name == "type" else schedule[name])
        for day in schedule.get("repeat", ()):
            _add(element, "repeat", day)
    for name in ("progress", "status", "name", "canCancel", "state", "jobType", "description"):
        if name in job:
            _add(root, name, str(job[name]).lower() if isinstance(job[name], bool) else str(job[name]))
    return Tree.tostring(root, encoding="utf-8", xml_declaration=True)


def _parameters_xml(values: list[Any]) -> bytes:
    root = Tree.Element(f"{{{MODEL}}}ParameterCollection")
    for value in values:
        element = Tree.SubElement(root, f"{{{MODEL}}}parameter")
        Tree.SubElement(element, f"{{{MODEL}}}name").text = "_"
        kind = {bool: "bool", int: "int", float: "float"}.get(type(value), "string")
        Tree.SubElement(element, f"{{{MODEL}}}{kind}").text = str(value).lower() if kind == "bool" else str(value)
    return Tree.tostring(root)


def _add(parent: Tree.Element, name: str, text: str) -> None:
    Tree.SubElement(parent, f"{{{AMI}}}{name}").text = text
