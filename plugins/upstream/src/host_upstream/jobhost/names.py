"""Names of jobs and scopes of pauses, before they are put into a request that could not carry each of them."""

from __future__ import annotations

from host.errors import InvalidRequestError, JobNotFoundError
from host.model.jobs import JobInfo
from host_upstream.jobhost.client import JobhostClient, is_segment

LONGEST_NAME = 1000
JOB_SCOPE = "job:"


def check_name(name: str, *, hint: str = "jobhost jobs list shows the registered ones") -> None:
    """Raise JobNotFoundError for what no job can be called."""
    if not name or len(name) > LONGEST_NAME or not _is_utf8(name):
        raise JobNotFoundError(f"no job is called {name[:80]!r}", hint=hint)


async def find_job(client: JobhostClient, job: str) -> JobInfo:
    """Ask for a registered job by any of its names; raises JobNotFoundError."""
    check_name(job)
    return await client.get("/registered-job", JobInfo, (("job", job),))


async def scope_segment(client: JobhostClient, scope: str) -> str:
    """Give a scope as one that can be a segment of a path: by the job's id, if its name cannot stand there.

    Raises JobNotFoundError, InvalidRequestError for what is no scope.
    """
    if is_segment(scope):
        return scope
    job = scope.removeprefix(JOB_SCOPE)
    if not job or job == scope:
        raise InvalidRequestError(f"{scope[:80]!r} is no scope", hint="use all, job:<job> or schedule:<schedule id>")
    return f"{JOB_SCOPE}{(await find_job(client, job)).id}"


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
