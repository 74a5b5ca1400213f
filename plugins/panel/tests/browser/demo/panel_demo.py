"""Jobs that bring a host into every state that the panel shows, with hostile texts wherever a text can stand."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from host import Job, JobContext, JobParameter, JobResult, OverlapPolicy
from host.contracts.contract import Contract
from host.contracts.jobs import Discard, JobManagerService, RunControl
from host.contracts.runs import JobRunReader
from host.hookspecs import hookimpl
from host.model.runs import JobRun, RunState
from host.model.submissions import RunSubmission
from host.wire import to_json

FOLDER = Path(os.environ.get("PANEL_DEMO", "."))
"""What is told to the test stands here, and what gates wait for."""
SECRET = "hush-hush-4711"


def canary(field: str) -> str:
    """Give a text that runs, loads and breaks out wherever it is not taken as text; ``field`` says where it was put."""
    marks = "</td></script><script>window.__xss=1</script><img src=/xss onerror=window.__xss=1><b data-xss>\"'"
    return f"{field}-canary{marks}"


class Adds(Job):
    """Add two numbers, and say so."""

    name = "Add numbers"
    overlap = OverlapPolicy.ALLOW
    parameters = (
        JobParameter("left", int, minimum=0, maximum=1000, description="The first of the two"),
        JobParameter("right", int, default=1),
    )

    async def run(self, context: JobContext) -> JobResult:
        values = context.parameters
        context.log.info("adding", left=values["left"], right=values["right"])
        total = int(str(values["left"])) + int(str(values["right"]))
        context.log.debug("added")
        return JobResult(value={"sum": total}, status_text=f"the sum is {total}")


class TakesAll(Job):
    """Take a parameter of every type."""

    name = "Every parameter"
    overlap = OverlapPolicy.ALLOW
    parameters = (
        JobParameter("text", str, description=canary("hint")),
        JobParameter("count", int, default=3, minimum=1, maximum=10),
        JobParameter("ratio", float, default=0.5, minimum=0, maximum=1),
        JobParameter("dry", bool, default=True),
        JobParameter("size", str, choices=("small", "large", canary("choice")), default="small"),
        JobParameter("since", datetime, required=False),
        JobParameter("rest", dict, default={"a": [1, 2]}),
        JobParameter("password", str, secret=True, required=False),
    )

    async def run(self, context: JobContext) -> JobResult:
        context.log.info("given", **context.parameters)
        return JobResult(value=context.parameters["text"])


class Hostile(Job):
    name = f"Hostile {canary('name')}"
    description = f"Says {canary('description')}"
    overlap = OverlapPolicy.ALLOW
    parameters = (
        JobParameter("what", str, required=False),
        JobParameter(f"odd {canary('parameter')}", str, default="x"),
    )
    max_attempts = 2

    async def run(self, context: JobContext) -> None:
        context.progress(0.5, canary("status"))
        context.log.error(canary("log"), field=f"\x1b[31m{canary('field')}\x1b[0m")
        context.log.info("\u202eright to left\u202c")
        context.log.warning("long " + "word" * 25_000)
        while context.parameters.get("what") == "wait" and not (FOLDER / "never").exists():
            await asyncio.sleep(0.05)
        raise ValueError(canary("error"))


class Fails(Job):
    """Fail, deep in a library."""

    name = "Fail"
    overlap = OverlapPolicy.ALLOW

    def run(self, context: JobContext) -> None:
        context.log.info("reading the number")
        self._deeper(20)

    def _deeper(self, depth: int) -> None:
        if depth:
            self._deeper_still(depth - 1)
        sorted([1, 2], key=lambda _: datetime.strptime("soon", "%Y"))

    def _deeper_still(self, depth: int) -> None:
        self._deeper(depth)


class Waits(Job):
    """Go on until it is told to end, and say how far it is."""

    name = "Wait"
    overlap = OverlapPolicy.ALLOW
    parameters = (JobParameter("gate", str, default="never", description="A file that lets it end"),)

    async def run(self, context: JobContext) -> JobResult:
        gate = FOLDER / str(context.parameters["gate"])
        context.progress(0.25, "waiting")
        context.log.info("begun")
        while not gate.exists():
            await asyncio.sleep(0.05)
        context.log.info("the gate is open")
        return JobResult(value="let through", status_text="let through")


class Exclusive(Waits):
    """Run alone; another one waits."""

    name = "Wait alone"
    overlap = OverlapPolicy.QUEUE


class Skips(Waits):
    """Run alone; another one is skipped."""

    name = "Wait or skip"
    overlap = OverlapPolicy.SKIP


class Ignores(Job):
    """Ignore being asked to stop."""

    name = "Ignore cancel"
    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> None:
        while not (FOLDER / "let-go").exists():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                context.log.warning("asked to stop; going on")


class Retries(Job):
    """Fail, and be tried again in an hour."""

    name = "Retry"
    overlap = OverlapPolicy.ALLOW
    max_attempts = 3

    async def run(self, context: JobContext) -> None:
        from host import Retry

        raise Retry("not yet", after=timedelta(hours=1))


class GivesUp(Job):
    """Fail for good."""

    name = "Give up"

    async def run(self, context: JobContext) -> None:
        raise Discard("there is no such customer")


class Crashes(Job):
    """Take its process down."""

    name = "Crash"
    executor = "process"

    def run(self, context: JobContext) -> None:
        os._exit(9)


class Chatters(Job):
    """Write many lines."""

    name = "Chatter"
    overlap = OverlapPolicy.ALLOW

    async def run(self, context: JobContext) -> None:
        for number in range(1, 1501):
            context.log.info(f"line {number}", even=number % 2 == 0)


class Scheduled(Job):
    """Do nothing, by schedules of every kind."""

    name = "Every schedule"

    async def run(self, context: JobContext) -> None:
        return None


class Unregistered(Job):
    """Stand ready to be registered."""

    name = "Newcomer"

    async def run(self, context: JobContext) -> None:
        return None


class Prepares(Job):
    """Submit runs until every state is there, and tell their ids."""

    name = "Prepare"

    def __init__(self, control: RunControl, reader: JobRunReader, manager: JobManagerService) -> None:
        self._control, self._reader, self._manager = control, reader, manager

    async def run(self, context: JobContext) -> None:
        wanted = _wanted()
        ids = dict(zip(wanted, await self._control.submit([each for each, _ in wanted.values()]), strict=True))
        await self._until({name: ids[name] for name in ("alone", "skips")}, RunState.RUNNING)
        ids["queued"], ids["skipped"] = await self._control.submit(
            [RunSubmission(job="Wait alone"), RunSubmission(job="Wait or skip")]
        )
        await self._until({"ignores": ids["ignores"], "stopped": ids["stopped"]}, RunState.RUNNING)
        await self._control.cancel(ids["ignores"], by=canary("canceller"))
        await self._control.cancel(ids["stopped"], by="ada")
        await self._control.pause("job:Every schedule", reason=canary("reason"), by=canary("pauser"))
        for name, (_, state) in wanted.items():
            await self._until({name: ids[name]}, state)
        await self._until({"skipped": ids["skipped"]}, RunState.SKIPPED)
        known = [*await self._manager.jobs(), *await self._manager.get_available_jobs()]
        jobs = {job.job_type.partition(":")[2]: str(job.id) for job in known}
        told = {"runs": {name: str(each) for name, each in ids.items()}, "jobs": jobs}
        (FOLDER / "told.part").write_bytes(to_json(told))
        (FOLDER / "told.part").rename(FOLDER / "told.json")

    async def _until(self, ids: dict[str, object], state: RunState) -> None:
        for each in ids.values():
            while (await self._run(each)).state is not state:
                await asyncio.sleep(0.02)

    async def _run(self, run_id: object) -> JobRun:
        run = await self._reader.run(run_id)  # type: ignore[arg-type]
        assert run is not None
        return run


def _wanted() -> dict[str, tuple[RunSubmission, RunState]]:
    now = datetime.now(UTC)
    hostile = RunSubmission(
        job=f"{__name__}:Hostile",
        parameters={"what": canary("value"), f"odd {canary('parameter')}": canary("odd-value")},
        tenant=canary("tenant"),
        owner=canary("owner"),
        idempotency_key=canary("key"),
    )
    return {
        "completed": (RunSubmission(job="Add numbers", parameters={"left": 20}, owner="ada"), RunState.COMPLETED),
        "secret": (
            RunSubmission(job="Every parameter", parameters={"text": "plain", "password": SECRET}),
            RunState.COMPLETED,
        ),
        "chatter": (RunSubmission(job="Chatter"), RunState.COMPLETED),
        "failed": (RunSubmission(job="Fail", tenant="clinic"), RunState.FAILED),
        "given-up": (RunSubmission(job="Give up"), RunState.FAILED),
        "hostile": (hostile, RunState.FAILED),
        "hostile-running": (RunSubmission(job=f"{__name__}:Hostile", parameters={"what": "wait"}), RunState.RUNNING),
        "running": (RunSubmission(job="Wait", owner="ada"), RunState.RUNNING),
        "gated": (RunSubmission(job="Wait", parameters={"gate": "gate"}), RunState.RUNNING),
        "client-gated": (RunSubmission(job="Wait", parameters={"gate": "client-gate"}), RunState.RUNNING),
        "client-running": (RunSubmission(job="Wait", owner="otto"), RunState.RUNNING),
        "client-held": (RunSubmission(job="Add numbers", parameters={"left": 7}, hold=True), RunState.PENDING),
        "alone": (RunSubmission(job="Wait alone"), RunState.RUNNING),
        "skips": (RunSubmission(job="Wait or skip"), RunState.RUNNING),
        "ignores": (RunSubmission(job="Ignore cancel"), RunState.RUNNING),
        "stopped": (RunSubmission(job="Wait"), RunState.CANCELLED),
        "held": (RunSubmission(job="Add numbers", parameters={"left": 5}, hold=True), RunState.PENDING),
        "later": (
            RunSubmission(job="Add numbers", parameters={"left": 6}, not_before=now + timedelta(days=3)),
            RunState.SCHEDULED,
        ),
        "retries": (RunSubmission(job="Retry"), RunState.SCHEDULED),
        "quarantined": (RunSubmission(job="Crash"), RunState.QUARANTINED),
    }


@hookimpl
def host_jobs() -> Sequence[type[Contract] | type[Job]]:
    """Give every job of this module."""
    return [
        Adds,
        TakesAll,
        Hostile,
        Fails,
        Waits,
        Exclusive,
        Skips,
        Ignores,
        Retries,
        GivesUp,
        Crashes,
        Chatters,
        Scheduled,
        Unregistered,
        Prepares,
    ]
