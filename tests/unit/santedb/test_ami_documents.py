"""AMI's documents: what .NET's serializers write is read as meant, and written the same."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from host.errors import HostError, InvalidRequestError, XmlError
from host.santedb.ami import json_form, xml_reading
from host.santedb.ami.json_form import write_json
from host.santedb.ami.values import (
    AmiCollection,
    AmiJob,
    AmiJobParameter,
    AmiParameter,
    AmiSchedule,
    Capability,
    ParameterCollection,
    ResourceOptions,
    RestServiceFault,
    ServiceOptions,
    TypeReference,
)
from host.santedb.ami.xml_writing import write_xml

GENERATED = Path(__file__).parents[2] / "fixtures" / "santedb" / "generated"
JOB = AmiJob(
    id="b5d6a459-c0fc-4d2f-a653-733c849beab9",
    schedule=(
        AmiSchedule(type="Scheduled", start="2026-01-01T04:00:00", repeat=("Sunday", "Monday")),
        AmiSchedule(type="Interval", interval="P1D", start="0001-01-01T00:00:00"),
    ),
    progress=0.5,
    status="Refreshing x",
    name="Refresh BI Materialized Views",
    can_cancel=True,
    state="Running",
    parameters=(AmiJobParameter(key="viewName", type="String"), AmiJobParameter(key="n", value=5, type="Int32")),
    last_start="2026-02-01T04:00:00-05:00",
    job_type="SanteDB.Core.Jobs.XmlJobState, SanteDB.Core.Api, "
    "Version=3.0.2150.0, Culture=neutral, PublicKeyToken=null",
    description="d",
)
FAULT = RestServiceFault(data=(), type="KeyNotFoundException", message="Cannot find job x", policy_outcome="Deny")
VALUES = ["abc", True, 5, 5, None, ["a", "b"]]


def fixture(name: str) -> bytes:
    return (GENERATED / name).read_bytes()


def canonical(document: bytes) -> str:
    return ElementTree.canonicalize(
        document.decode(), strip_text=True, qname_aware_attrs=["{http://www.w3.org/2001/XMLSchema-instance}type"]
    )


def with_tag(job: AmiJob) -> AmiJob:
    fields = {name: getattr(job, name) for name in AmiJob.__struct_fields__}
    return AmiJob(**{**fields, "tag": "3.0.2150.0", "modified": "2026-02-01T09:00:00-05:00"})


# The same documents as .NET's


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JobInfo.json", with_tag(JOB)),
        ("AmiCollection.JobInfo.json", AmiCollection(resource=(with_tag(JOB), TypeReference(type="A.B, C")), size=2)),
        ("RestServiceFault.json", FAULT),
        (
            "ParameterCollection.json",
            ParameterCollection(parameter=tuple(AmiParameter(name="_", value=v) for v in VALUES)),
        ),
    ],
)
def test_json_is_written_as_dotnet_writes_it(name: str, value: AmiJob) -> None:
    assert write_json(value) == fixture(name).strip()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JobInfo.xml", JOB),
        ("AmiCollection.JobInfo.xml", AmiCollection(resource=(JOB, TypeReference(type="A.B, C")), size=2)),
        ("RestServiceFault.xml", FAULT),
        ("TypeReferenceConfiguration.xml", TypeReference(type="A.B, C")),
    ],
)
def test_xml_is_written_as_dotnet_writes_it(name: str, value: AmiJob) -> None:
    assert canonical(write_xml(value)) == canonical(fixture(name))


def test_xml_values_have_dotnets_elements_and_a_long_only_where_an_int_is_too_small() -> None:
    values = ["abc", True, 5, 2**31, None, ["a", "b"]]
    written = write_xml(ParameterCollection(parameter=tuple(AmiParameter(name="_", value=v) for v in values)))

    expected = fixture("ParameterCollection.xml").replace(b'xsd:long">5<', b'xsd:long">2147483648<')
    assert canonical(written) == canonical(expected)


# Reading what .NET wrote


def test_dotnets_json_is_read() -> None:
    assert json_form.read_job(fixture("JobInfo.json")) == with_tag(JOB)
    page = json_form.read_collection(fixture("AmiCollection.JobInfo.json"))
    assert page == AmiCollection(resource=(with_tag(JOB), TypeReference(type="A.B, C")), size=2)
    assert [each.value for each in json_form.read_parameters(fixture("ParameterCollection.json")).parameter] == VALUES
    assert json_form.read_fault(fixture("RestServiceFault.json")) == FAULT


def test_dotnets_xml_is_read() -> None:
    assert xml_reading.read_job(fixture("JobInfo.xml")) == JOB
    page = xml_reading.read_collection(fixture("AmiCollection.JobInfo.xml"))
    assert page == AmiCollection(resource=(JOB, TypeReference(type="A.B, C")), size=2)
    assert [each.value for each in xml_reading.read_parameters(fixture("ParameterCollection.xml")).parameter] == VALUES
    assert xml_reading.read_fault(fixture("RestServiceFault.xml")) == FAULT
    assert xml_reading.read_resource(fixture("TypeReferenceConfiguration.xml")) == TypeReference(type="A.B, C")


def test_every_kind_of_value_is_read_from_xml() -> None:
    values = (
        "<date>2026-01-01T00:00:00</date><uuid>71f82f18-992d-4a71-9d0c-ecce92490d8c</uuid><float>1.5</float>"
        '<other xsi:type="xsd:long">9999999999</other><string xsi:nil="true"/><bool>0</bool>'
    )
    parameters = "".join(f"<parameter>{value}</parameter>" for value in values.replace("><", ">\n<").splitlines())
    body = (
        f'<ParameterCollection xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{parameters}</ParameterCollection>'
    )

    read = [each.value for each in xml_reading.read_parameters(body.encode()).parameter]

    assert read == ["2026-01-01T00:00:00", "71f82f18-992d-4a71-9d0c-ecce92490d8c", 1.5, 9999999999, None, False]


def of_xml(value: str) -> object:
    """Give what a parameter's value is read as."""
    names = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" xmlns:q7="http://www.w3.org/2001/XMLSchema"'
    body = f"<ParameterCollection {names}><parameter>{value}</parameter></ParameterCollection>"
    return xml_reading.read_parameters(body.encode()).parameter[0].value


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (f"<int>{'9' * 40}</int>", int("9" * 40)),
        ("<int> +5 </int>", 5),
        ('<other i:type="q7:unsignedShort">7</other>', 7),
        ('<other i:type="q7:decimal">-1.50</other>', -1.5),
        ("<float>1E-3</float>", 0.001),
        ("<float>.5</float>", 0.5),
    ],
)
def test_a_number_is_read_whole(value: str, read: float) -> None:
    assert of_xml(value) == read


@pytest.mark.parametrize(
    "value",
    [
        f"<int>{'9' * 41}</int>",
        "<int>1_0</int>",
        "<int>٣</int>",
        "<int>1.0</int>",
        "<int/>",
        "<float>1_0.5</float>",
        "<float>INF</float>",
        "<float>NaN</float>",
        "<float>1e999</float>",
        '<other i:type="q7:hexBinary">00</other>',
    ],
)
def test_what_is_no_number_of_xml_is_refused_and_never_cut(value: str) -> None:
    with pytest.raises(InvalidRequestError):
        of_xml(value)


# The type of a JSON body


@pytest.mark.parametrize("members", ['"$type":"JobInfo","id":"x"', '"id":"x","$type":"JobInfo"'])
def test_the_type_of_a_json_body_may_stand_anywhere(members: str) -> None:
    assert json_form.read_resource(b"{%s}" % members.encode()) == AmiJob(id="x")


@pytest.mark.parametrize("body", [b'{"id":"x"}', b'{"$type":"Patient"}', b"[]", b"{", b"", b'{"$type":5}', b"\xff"])
def test_a_json_body_without_a_known_type_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        json_form.read_resource(body)


def test_members_that_nobody_knows_are_ignored() -> None:
    body = b'{"$type":"JobInfo","etag":{"a":[1]},"name":"n"}'
    assert json_form.read_resource(body) == AmiJob(name="n")


# What attacks a reader


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE x [<!ENTITY e "v">]><JobInfo><id>&e;</id></JobInfo>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><JobInfo/>',
        b"<JobInfo>" + b"<a>" * 300 + b"</a>" * 300 + b"</JobInfo>",
        b"<JobInfo><id>" + b"x" * xml_reading.MAX_BYTES + b"</id></JobInfo>",
        b"<JobInfo>",
        b"",
        b"\x1f\x8b\x08",
    ],
    ids=["entity", "external", "deep", "large", "open", "empty", "gzip"],
)
def test_xml_that_attacks_or_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(XmlError):
        xml_reading.read_resource(body)


@pytest.mark.parametrize(
    "body",
    [
        b"<Patient/>",
        b"<TypeReferenceConfiguration/>",
        b"<JobInfo><canCancel>perhaps</canCancel></JobInfo>",
        b"<JobInfo><progress>NaN</progress></JobInfo>",
    ],
)
def test_xml_that_is_something_else_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        xml_reading.read_resource(body)


def test_a_value_that_cannot_be_read_is_not_shown() -> None:
    body = b"<ParameterCollection><parameter><name>pin</name><int>s3cret</int></parameter></ParameterCollection>"
    with pytest.raises(InvalidRequestError) as caught:
        xml_reading.read_parameters(body)
    assert "s3cret" not in str(caught.value)
    assert "body:1" in str(caught.value)


@pytest.mark.parametrize("depth", [100, 100_000])
def test_deep_json_values_are_refused(depth: int) -> None:
    body = b'{"parameter":[{"name":"_","value":' + b"[" * depth + b"]" * depth + b"}]}"
    with pytest.raises(HostError):
        json_form.read_parameters(body)


def test_names_of_elements_decide_and_not_their_order() -> None:
    body = b"<JobInfo xmlns='http://santedb.org/ami'><name>n</name><new/><id>x</id></JobInfo>"
    assert xml_reading.read_resource(body) == AmiJob(id="x", name="n")


# What XML cannot hold


def test_text_is_escaped_and_foreign_characters_are_replaced() -> None:
    text = 'a<b>&"c"\x00\x1b\r\n]]>'
    job = AmiJob(name=text, status="ok", parameters=(AmiJobParameter(key=text, type="String"),))

    read = xml_reading.read_job(write_xml(job))

    assert read.name == 'a<b>&"c"\ufffd\ufffd\r\n]]>'
    assert read.parameters is not None
    assert read.parameters[0].key == read.name


def test_a_value_without_element_is_refused() -> None:
    with pytest.raises(ValueError, match="dict"):
        write_xml(ParameterCollection(parameter=(AmiParameter(name="x", value={"a": 1}),)))


# Capabilities


def test_options_name_capabilities_with_what_they_demand() -> None:
    start = ResourceOptions(
        resource="start",
        cap=(Capability(cap="Create", demand=("1.2",)),),
        scope="Instance",
        classification="RpcOperation",
    )
    jobs = ResourceOptions(resource="JobInfo", cap=(Capability(cap="Get", demand=("1.1",)),), children=(start,))
    root = ElementTree.fromstring(write_xml(ServiceOptions(version="3.0", resource=(jobs,))))

    space = {"m": "http://santedb.org/model"}
    resource = root.find("m:resource", space)
    assert resource is not None
    assert [(cap.get("cap"), cap.findtext("m:demand", None, space)) for cap in resource.findall("m:cap", space)] == [
        ("get", "1.1")
    ]
    child = resource.find("m:children", space)
    assert child is not None
    assert (child.get("resource"), child.get("scope"), child.get("classification")) == (
        "start",
        "instance",
        "operation",
    )
    assert ElementTree.fromstring(write_xml(jobs)).get("resource") == "JobInfo"
