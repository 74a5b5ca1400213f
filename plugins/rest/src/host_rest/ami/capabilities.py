"""What AMI answers, and what each kind of request demands: one table for the gate and for OPTIONS."""

from __future__ import annotations

from host.contracts.http import HttpRule
from host.model.security import Access, Policy
from host.santedb.ami.values import Capability, ResourceOptions, ServiceOptions
from host.santedb.ami.xml_reading import MAX_BYTES

INTERFACE_VERSION = "3.0"
"""Of SanteDB, whose interface this is."""
_READ, _START = Policy.READ_SYSTEM_JOBS, Policy.START_SYSTEM_JOB
_ALTER, _REGISTER = Policy.ALTER_SYSTEM_JOB_SCHEDULE, Policy.REGISTER_SYSTEM_JOB
_DELETE = Policy.UNRESTRICTED_JOB_MANAGEMENT


def _rule(method: str, path: str, demand: Policy | Access, name: str) -> HttpRule:
    methods = frozenset({method})
    return HttpRule(methods=methods, path=path, demand=demand, name=name, max_body_bytes=MAX_BYTES)


RULES = (
    _rule("GET", "/JobInfo", _READ, "list jobs"),
    _rule("POST", "/JobInfo", _REGISTER, "register job"),
    _rule("OPTIONS", "/JobInfo", Access.PUBLIC, "describe jobs"),
    _rule("GET", "/JobInfo/{id}", _READ, "get job"),
    _rule("HEAD", "/JobInfo/{id}", _READ, "get job"),
    _rule("POST", "/JobInfo/{id}", _REGISTER, "register job"),
    _rule("PUT", "/JobInfo/{id}", _ALTER, "schedule job"),
    _rule("DELETE", "/JobInfo/{id}", _DELETE, "delete job"),
    _rule("POST", "/JobInfo/{id}/$start", _START, "start job"),
    _rule("POST", "/JobInfo/{id}/$cancel", _START, "cancel job"),
    _rule("POST", "/JobInfo/{id}/{operation}", _START, "operate job"),
    *(
        _rule(method, path, Access.PUBLIC, name)
        for method, name in (("OPTIONS", "describe"), ("PING", "ping"))
        for path in ("", "/")
    ),
)

JOB_OPTIONS = ResourceOptions(
    resource="JobInfo",
    cap=(
        Capability(cap="Create", demand=(_REGISTER,)),
        Capability(cap="Delete", demand=(_DELETE,)),
        Capability(cap="Get", demand=(_READ,)),
        Capability(cap="Search", demand=(_READ,)),
        Capability(cap="Update", demand=(_ALTER,)),
    ),
    children=tuple(
        ResourceOptions(
            resource=operation,
            cap=(Capability(cap="Create", demand=(_START,)),),
            scope="Instance",
            classification="RpcOperation",
        )
        for operation in ("start", "cancel")
    ),
)
SERVICE_OPTIONS = ServiceOptions(version=INTERFACE_VERSION, resource=(JOB_OPTIONS,))
