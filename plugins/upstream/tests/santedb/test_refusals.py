"""What a SanteDB server refuses becomes the host's own error, with the reason that lies deepest."""

from __future__ import annotations

import pytest

from host.errors import (
    AccessDeniedError,
    AuthenticationError,
    HostError,
    InvalidRequestError,
    JobNotFoundError,
    JobRegisteredError,
    RunStateError,
    UnsupportedOperationError,
    UpstreamUnavailableError,
)
from host.santedb.ami.json_form import write_json
from host_upstream.link import UpstreamAnswer, UpstreamRequest
from host_upstream.santedb.refusals import error_of
from plugins.upstream.tests.santedb.amikit import Upstream
from plugins.upstream.tests.santedb.icdr import Icdr, Reply, fault, fault_of
from plugins.upstream.tests.santedb.test_jobs import run

POLICY = "1.3.6.1.4.1.33349.3.1.5.9.2.0.22.1"
REQUEST = UpstreamRequest(method="GET", path="/ami/JobInfo")


@pytest.mark.parametrize(
    ("status", "root", "kind"),
    [
        (404, "KeyNotFoundException", JobNotFoundError),
        (400, "ArgumentException", InvalidRequestError),
        (422, "DetectedIssueException", InvalidRequestError),
        (403, "PolicyViolationException", AccessDeniedError),
        (401, "PolicyViolationException", AccessDeniedError),
        (401, "SecuritySessionException", AuthenticationError),
        (403, "SecurityException", AccessDeniedError),
        (405, "NotSupportedException", UnsupportedOperationError),
        (501, "NotImplementedException", UnsupportedOperationError),
        (409, "DuplicateNameException", JobRegisteredError),
        (409, "PatchException", RunStateError),
        (423, "ObjectLockedException", RunStateError),
        (503, "DomainStateException", UpstreamUnavailableError),
        (500, "NullReferenceException", UpstreamUnavailableError),
        (500, "KeyNotFoundException", JobNotFoundError),
    ],
)
def test_the_root_cause_says_which_error_it_is(status: int, root: str, kind: type[HostError]) -> None:
    cause = fault_of("TargetInvocationException", "outer", fault_of(root, "the disk is <full>"))
    answers = [
        fault(status, "Exception", "Error searching resource type JobInfo", cause).body,
        write_json(fault_of("Exception", "Error searching resource type JobInfo", cause)),
    ]
    for body in answers:
        error = error_of(REQUEST, UpstreamAnswer(status=status, headers={}, body=body))
        assert type(error) is kind
        assert error.message == "the upstream refuses: the disk is <full>"
        assert error.where == "GET /ami/JobInfo"


def test_a_violated_policy_is_named() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)
        said = f"Policy Start ({POLICY}) was violated by 'host' with outcome 'Deny'"
        refusal = fault(403, "PolicyViolationException", said, policy_id=POLICY, policy_name="Start/Run System Job")
        icdr.hooks.append(lambda asked: refusal if asked.method == "POST" else None)
        with pytest.raises(AccessDeniedError, match="violated by 'host'") as caught:
            await upstream.manager.start_job("Job 1")
        assert caught.value.hint is not None
        assert f"Start/Run System Job ({POLICY})" in caught.value.hint

    run(check)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(404, b"<html>not here</html>", "text/html"), "status 404, '<html>not here</html>'"),
        (Reply(404), "status 404, ''"),
        (Reply(200, b"<html><p>Sign in</p></html>", "text/html"), "<html>"),
        (Reply(200, b"<html><p>Sign in</html>", "text/html"), "not well-formed"),
        (Reply(200, b""), "not well-formed"),
        (Reply(200, b'<!DOCTYPE a [<!ENTITY b "c">]><AmiCollection>&b;</AmiCollection>'), "DOCTYPE"),
        (Reply(200, b"<AmiCollection><resource><id>1</id></resource></AmiCollection>"), "the id '1'"),
        (Reply(400, b"{" * 2000), "status 400"),
    ],
)
def test_what_is_no_ami_is_said_to_be_none_and_quoted_briefly(reply: Reply, said: str) -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.hooks.append(lambda _: reply)
        with pytest.raises(UpstreamUnavailableError) as caught:
            await upstream.manager.jobs()
        assert said in caught.value.message
        assert len(caught.value.message) < 600
        assert caught.value.where == "GET /ami/JobInfo"

    run(check)


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (403, AccessDeniedError)])
def test_a_refusal_without_a_reason_is_still_one(status: int, kind: type[HostError]) -> None:
    error = error_of(REQUEST, UpstreamAnswer(status=status, headers={}, body=b"<html>no</html>"))
    assert type(error) is kind


def test_a_fault_that_causes_itself_for_ever_is_read_to_an_end() -> None:
    depth = 100
    body = b"<RestServiceFault><type>E</type><message>m</message>"
    body += b"<cause><type>E</type><message>n</message>" * depth + b"</cause>" * depth + b"</RestServiceFault>"
    error = error_of(REQUEST, UpstreamAnswer(status=400, headers={}, body=body))
    assert error.message == "the upstream refuses: n"
