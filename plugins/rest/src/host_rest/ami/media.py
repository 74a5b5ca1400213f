"""Which of AMI's two forms a request is in, and which its answer shall have."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from host.errors import HostError
from host.santedb.ami import json_form, xml_reading
from host.santedb.ami.json_form import write_json
from host.santedb.ami.values import AmiJob, AmiValue, ParameterCollection, TypeReference
from host.santedb.ami.xml_writing import write_xml
from host_rest.ami.faults import AmiError


class Form(NamedTuple):
    """A way of writing and reading AMI's values."""

    media_type: str
    write: Callable[[AmiValue], bytes]
    read_resource: Callable[[bytes], AmiJob | TypeReference]
    read_parameters: Callable[[bytes], ParameterCollection]
    mark: str
    """Ends the entity tags of its documents, which differ from those of other forms."""


JSON = Form("application/json", write_json, json_form.read_resource, json_form.read_parameters, "")
XML = Form("application/xml", write_xml, xml_reading.read_resource, xml_reading.read_parameters, "-x")
VIEW_MODEL = JSON._replace(media_type="application/x.santedb.rim.viewModel+json", mark="-v")
"""SanteDB's view models are of clinical data; of all else they are its JSON."""

_FORMS: Mapping[str, Form] = {form.media_type.lower(): form for form in (JSON, XML, VIEW_MODEL)}
_ANY = ("*/*", "application/*")


def answer_form(headers: Mapping[bytes, bytes]) -> Form:
    """Give the form to answer in: what ``Accept`` weighs highest, the first of equals; else the request's, else JSON.

    SanteDB looks at the first entry alone and weighs nothing. Raises AmiError (406) if none can be had.
    """
    accepted = headers.get(b"accept", b"").decode("latin-1")
    wanted = _wanted(accepted)
    for entry in wanted:
        if entry in _FORMS:
            return _FORMS[entry]
        if entry in _ANY:
            break
    else:
        if accepted.strip():
            hint = f"accept {JSON.media_type} or {XML.media_type}"
            raise AmiError("none of the media types accepted can be had", status=406, exception=_FORMAT, hint=hint)
    return _FORMS.get(_bare(headers.get(b"content-type", b"").decode("latin-1")), JSON)


def fault_form(headers: Mapping[bytes, bytes]) -> Form:
    """Give the form to tell a fault in; JSON if none of those accepted can be had."""
    try:
        return answer_form(headers)
    except HostError:
        return JSON


def request_form(headers: Mapping[bytes, bytes]) -> Form:
    """Give the form that a body is in; raises AmiError (415) for another, or for a body without one."""
    given = headers.get(b"content-type", b"").decode("latin-1")
    form = _FORMS.get(_bare(given))
    if form is None:
        hint = f"send {JSON.media_type} or {XML.media_type}"
        said = f"is {given[:80]!r}" if given else "is missing"
        raise AmiError(f"Content-Type {said}", status=415, exception=_FORMAT, hint=hint)
    return form


_FORMAT = "FormatException"


@lru_cache(maxsize=64)
def _wanted(accept: str) -> Sequence[str]:
    """Give the media types of an Accept header (RFC 9110 §12.5.1), the most wanted first, without those refused."""
    weighed = [(_weight(entry), _bare(entry)) for entry in accept.split(",")]
    return [entry for weight, entry in sorted(weighed, key=lambda each: -each[0]) if weight and entry]


def _weight(entry: str) -> float:
    for parameter in entry.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            return float(value) if re.fullmatch(r"\s*[01](\.\d{0,3})?\s*", value, re.ASCII) else 1.0
    return 1.0


def _bare(entry: str) -> str:
    return entry.partition(";")[0].strip().lower()
