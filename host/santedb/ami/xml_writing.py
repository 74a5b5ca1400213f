"""AMI values as XML, as .NET's XmlSerializer writes them but for white space."""

from __future__ import annotations

import re

from host.model.json import JsonValue
from host.santedb.ami.values import (
    AMI,
    FAULT,
    MODEL,
    AmiCollection,
    AmiJob,
    AmiJobParameter,
    AmiSchedule,
    AmiValue,
    Capability,
    ParameterCollection,
    ResourceOptions,
    RestServiceFault,
    ServiceOptions,
    TypeReference,
)
from host.santedb.sections import NAMESPACE as CONFIGURATION

_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'
_XMLNS = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
_FOREIGN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPECIAL = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_SPECIAL_IN_ATTRIBUTE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#xD;", "\n": "&#xA;", "\t": "&#x9;"}
)
_INT32 = range(-(2**31), 2**31)


def write_xml(value: AmiValue) -> bytes:
    """Give the document that SanteDB would write; characters that XML does not have become U+FFFD.

    Raises ValueError for a parameter's value that it has no element for.
    """
    attributes = ""
    match value:
        case AmiJob():
            tag, space, content = "JobInfo", AMI, _job(value)
        case AmiCollection():
            tag, space, content = "AmiCollection", "", _collection(value)
        case RestServiceFault():
            tag, space, content = "RestServiceFault", FAULT, _fault(value)
        case ParameterCollection():
            tag, space, content = "ParameterCollection", MODEL, _parameters(value)
        case TypeReference():
            tag, space, content = "TypeReferenceConfiguration", "", ""
            attributes = _attribute("type", value.type)
        case ServiceOptions():
            tag, space, content = "ServiceOptions", "", "".join(_options("resource", each) for each in value.resource)
            attributes = _attribute("version", value.version)
        case ResourceOptions():
            tag, space, content = "ServiceResourceOptions", "", _options_content(value)
            attributes = _attribute("resource", value.resource)
    return document(tag, space, content, attributes)


def document(tag: str, space: str, content: str, attributes: str = "") -> bytes:
    """Give a document of this root, its namespace (empty for none) and its content."""
    if space:
        attributes = f' xmlns="{space}"{attributes}'
    return f"{_HEAD}<{tag} {_XMLNS}{attributes}>{content}</{tag}>".encode()


def _collection(page: AmiCollection) -> str:
    space = f' xmlns="{AMI}"'
    parts = [
        f'<resource xsi:type="JobInfo"{space}>{_job(each)}</resource>'
        if isinstance(each, AmiJob)
        else f'<resource xmlns:q1="{CONFIGURATION}" xsi:type="q1:TypeReferenceConfiguration"'
        f"{_attribute('type', each.type)}{space} />"
        for each in page.resource
    ]
    return f"{''.join(parts)}<offset{space}>{page.offset}</offset><size{space}>{page.size}</size>"


def _job(job: AmiJob) -> str:
    parameters = "".join(map(_declared, job.parameters or ()))
    return "".join(
        (
            element("id", job.id),
            "".join(map(_schedule, job.schedule or ())),
            element("progress", None if job.progress is None else f"{job.progress:g}"),
            element("status", job.status),
            element("name", job.name),
            element("canCancel", _boolean(job.can_cancel)),
            element("state", job.state),
            "" if job.parameters is None else f"<parameters>{parameters}</parameters>",
            _nillable("lastStart", job.last_start),
            _nillable("lastFinish", job.last_finish),
            element("jobType", job.job_type),
            element("description", job.description),
        )
    )


def _schedule(schedule: AmiSchedule) -> str:
    days = "".join(element("repeat", day) for day in schedule.repeat or ())
    return (
        f"<schedule>{element('type', schedule.type and schedule.type.lower())}"
        f"{element('interval', schedule.interval)}{element('start', schedule.start)}"
        f"{element('stop', schedule.stop)}{days}</schedule>"
    )


def _declared(parameter: AmiJobParameter) -> str:
    attributes = f"{_attribute('key', parameter.key)}{_attribute('type', parameter.type)}"
    value = "" if parameter.value is None else value_element(parameter.value)
    return f"<set{attributes}>{value}</set>" if value else f"<set{attributes} />"


def _parameters(values: ParameterCollection) -> str:
    return "".join(
        f"<parameter>{element('name', each.name)}{'' if each.value is None else value_element(each.value)}</parameter>"
        for each in values.parameter
    )


def value_element(value: JsonValue) -> str:
    """Give the element of a parameter's value; raises ValueError for one that there is none for."""
    match value:
        case bool():
            return f"<bool>{_boolean(value)}</bool>"
        case int() if value in _INT32:
            return f"<int>{value}</int>"
        case int():
            return f'<other xsi:type="xsd:long">{value}</other>'
        case float():
            return f'<other xsi:type="xsd:double">{value!r}</other>'
        case str():
            return f"<string>{_text(value)}</string>"
        case list() | tuple() if all(isinstance(item, str) for item in value):
            return f"<array>{''.join(element('string', item) for item in value)}</array>"
    raise ValueError(f"{type(value).__name__} has no element in SanteDB's parameters; send it as text")


def _fault(fault: RestServiceFault) -> str:
    return "".join(
        (
            "".join(element("data", each) for each in fault.data),
            element("type", fault.type),
            element("message", fault.message),
            element("policyId", fault.policy_id),
            element("policyName", fault.policy_name),
            element("policyOutcome", fault.policy_outcome),
            "" if fault.cause is None else f"<cause>{_fault(fault.cause)}</cause>",
        )
    )


def _options(tag: str, options: ResourceOptions) -> str:
    scope = options.scope and options.scope.lower()
    attributes = (
        f' xmlns="{MODEL}"{_attribute("resource", options.resource)}{_attribute("scope", scope)}'
        f"{_attribute('classification', _CLASSIFICATIONS.get(options.classification or ''))}"
    )
    return f"<{tag}{attributes}>{_options_content(options)}</{tag}>"


def _options_content(options: ResourceOptions) -> str:
    capabilities = "".join(map(_capability, options.cap))
    return capabilities + "".join(_options("children", each) for each in options.children or ())


def _capability(capability: Capability) -> str:
    demands = "".join(element("demand", oid) for oid in capability.demand)
    return f'<cap xmlns="{MODEL}"{_attribute("cap", capability.cap.lower())}>{demands}</cap>'


_CLASSIFICATIONS = {"Resource": "resource", "RpcOperation": "operation"}


def element(name: str, text: str | None) -> str:
    """Give an element with text, or nothing for None."""
    return "" if text is None else f"<{name}>{_text(text)}</{name}>"


def _nillable(name: str, text: str | None) -> str:
    return f'<{name} xsi:nil="true" />' if text is None else f"<{name}>{_text(text)}</{name}>"


def _attribute(name: str, text: str | None) -> str:
    if text is None:
        return ""
    return f' {name}="{_without_foreign(text).translate(_SPECIAL_IN_ATTRIBUTE)}"'


def _text(text: str) -> str:
    if text.isalnum():
        return text
    return _without_foreign(text).translate(_SPECIAL)


def _without_foreign(text: str) -> str:
    return _FOREIGN.sub("\ufffd", text)


def _boolean(value: bool | None) -> str | None:
    return None if value is None else "true" if value else "false"
