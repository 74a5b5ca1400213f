"""The schedule editor of a job: its schedules in words, one of them in a form, and what an edit would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import available_timezones

from starlette.datastructures import FormData
from starlette.responses import Response

from host.errors import ErrorKind, HostError, InvalidRequestError, InvalidScheduleError, ScheduleVersionError
from host.model.jobs import JobInfo
from host.model.masking import entry_without_secrets
from host.model.schedules import JobSchedule, ScheduleEntry, ScheduleKind, Weekday, schedule_ids
from host.triggers import describe, preview
from host.triggers.difference import FireDifference, fire_difference
from host.triggers.preview import FireTime
from host_panel.desk import Desk
from host_panel.flash import attempt, back_to
from host_panel.pages import ALTER, READ, START, Screens
from host_panel.pauses import scope_of
from host_panel.requests import PanelRequest, text_of
from host_panel.schedule_form import FIELDS, LONGEST_FIELD, PRESETS, UNITS, fields_of, read_form
from host_panel.secrets_kept import with_stored_secrets

screens = Screens()
NEXT = 20
COMPARED = 100
SPAN = timedelta(days=30)
NEW = "new"
_STATUS: Mapping[ErrorKind, int] = {ErrorKind.INVALID: 422, ErrorKind.CONFLICT: 409, ErrorKind.UNAVAILABLE: 503}
KINDS: Mapping[ScheduleKind, str] = {
    ScheduleKind.INTERVAL: "Interval",
    ScheduleKind.CALENDAR: "Calendar",
    ScheduleKind.CRON: "Cron",
    ScheduleKind.ONCE: "Once",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSchedule:
    """One schedule as the list shows it."""

    id: str
    words: str
    fires: Sequence[FireTime]
    is_wrong: bool
    pause: object | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a form's schedule would do."""

    words: str
    fires: Sequence[FireTime]
    difference: FireDifference
    marks: Sequence[float]
    """Where the fire times lie between now and the last of them, 0 to 100."""


@screens.get("/jobs/{job}/schedules")
async def show_schedules(desk: Desk, request: PanelRequest) -> Response:
    """Show the schedules of a job, and a form for one of them."""
    job, entry = await _entry_of(desk, request)
    which = request.query("edit") or request.query("add")
    schedule = _chosen(entry, which)
    fields = fields_of(_masked(job, entry, which, schedule), await desk.timezone()) if schedule else None
    return await _page(desk, request, job, entry, which=which if schedule else "", fields=fields)


@screens.post("/jobs/{job}/schedules/preview", READ, is_audited=False)
async def show_outlook(desk: Desk, request: PanelRequest) -> Response:
    """Say what the form's schedule would do; changes nothing."""
    form = await request.form()
    job, entry = await _entry_of(desk, request)
    which, zone = text_of(form, "which"), await desk.timezone()
    read = read_form(_fields(form), default_timezone=zone, kept=_kept(entry, which), shown=_shown(job, entry, which))
    outlook = None
    errors = dict(read.errors)
    if read.schedule is not None:
        after = _with(entry, which, read.schedule)
        schedule, now = read.schedule, desk.now()
        try:
            outlook = await desk.reckon(lambda: _outlook(job, schedule, entry.schedules, after, zone, now))
        except InvalidScheduleError as error:
            errors[""] = error.message
    return desk.renderer.page(request, "schedule_outlook.html", outlook=outlook, errors=errors)


@screens.post("/jobs/{job}/schedules", ALTER)
async def save(desk: Desk, request: PanelRequest) -> Response:
    """Store what the form says, under the version that the form was made for."""
    form = await request.form()
    job, entry = await _entry_of(desk, request)
    which, zone = text_of(form, "which"), await desk.timezone()
    fields = _fields(form)
    version = text_of(form, "version")
    if version != entry.version:
        return await _page(desk, request, job, entry, which=which, fields=fields, is_conflict=True, status=409)
    read = read_form(fields, default_timezone=zone, kept=_kept(entry, which), shown=_shown(job, entry, which))
    if read.schedule is None:
        return await _page(desk, request, job, entry, which=which, fields=fields, errors=read.errors, status=422)
    try:
        wanted = with_stored_secrets(job, read.schedule, _kept(entry, which))
        schedules = _with(entry, which, wanted)
        return await _replace(desk, request, job, entry, schedules, told=f"Saved: {_words(wanted, zone)[0]}.")
    except ScheduleVersionError:
        job, entry = await _entry_of(desk, request)
        return await _page(desk, request, job, entry, which=which, fields=fields, is_conflict=True, status=409)
    except HostError as error:
        if error.kind not in _STATUS:
            raise
        errors = {"": " ".join([error.message, *(each.message for each in error.problems), error.hint or ""]).strip()}
        status = _STATUS[error.kind]
        return await _page(desk, request, job, entry, which=which, fields=fields, errors=errors, status=status)


@screens.post("/jobs/{job}/schedules/remove", ALTER)
async def remove(desk: Desk, request: PanelRequest) -> Response:
    """Take one schedule away; without any left, the job starts only by hand."""
    form = await request.form()
    job, entry = await _entry_of(desk, request)
    which = text_of(form, "which")
    if text_of(form, "version") != entry.version or _kept(entry, which) is None:
        return back_to(request, _path(job), "Not removed: the schedules were changed meanwhile.", is_error=True)
    left = [each for number, each in enumerate(entry.schedules) if str(number) != which]
    return await attempt(request, _path(job), _replace(desk, request, job, entry, left, told="Removed."))


@screens.post("/jobs/{job}/schedules/clear", ALTER)
async def clear(desk: Desk, request: PanelRequest) -> Response:
    """Leave the job without any schedule."""
    form = await request.form()
    job, entry = await _entry_of(desk, request)
    if text_of(form, "version") != entry.version:
        return back_to(request, _path(job), "Not cleared: the schedules were changed meanwhile.", is_error=True)

    async def act() -> Response:
        await desk.jobs.clear_job_schedule(job.job_type, expected_version=entry.version)
        request.call.audit.update(job=job.job_type, schedules="none")
        return back_to(request, _path(job), "The job has no schedule any more.")

    return await attempt(request, _path(job), act())


@screens.post("/jobs/{job}/schedules/forget", ALTER)
async def forget(desk: Desk, request: PanelRequest) -> Response:
    """Forget what was stored, so that the configured schedules are in force again."""
    await request.form()
    job, _ = await _entry_of(desk, request)
    removed = False
    for name in (job.job_type, *job.aliases):
        removed = await desk.schedules.remove(name) or removed
    request.call.audit.update(job=job.job_type, schedules="the configured ones")
    text = "The configured schedules are in force again." if removed else "Nothing was stored for this job."
    return back_to(request, _path(job), text)


@screens.post("/jobs/{job}/schedules/pause", START)
async def pause(desk: Desk, request: PanelRequest) -> Response:
    """Let one schedule fire no more until it is resumed."""
    form = await request.form()
    job, id = await desk.jobs.get_job(request.value("job")), text_of(form, "id", longest=100)
    request.call.audit["job"] = job.job_type
    scope, _ = await scope_of(desk, job, id or NEW)

    async def act() -> Response:
        reason = text_of(form, "reason", longest=200) or "paused in the panel"
        await desk.control.pause(scope, reason=reason, by=request.by)
        undo = f"{_path(job)}/resume"
        return back_to(request, _path(job), "The schedule is paused.", undo=undo, undo_fields={"id": id})

    return await attempt(request, _path(job), act())


@screens.post("/jobs/{job}/schedules/resume", START)
async def resume(desk: Desk, request: PanelRequest) -> Response:
    """Let it fire again."""
    form = await request.form()
    job, id = await desk.jobs.get_job(request.value("job")), text_of(form, "id", longest=100)
    request.call.audit["job"] = job.job_type
    scope, _ = await scope_of(desk, job, id or NEW)

    async def act() -> Response:
        await desk.control.resume(scope, by=request.by)
        return back_to(request, _path(job), "The schedule fires again; times inside the pause are not made up for.")

    return await attempt(request, _path(job), act())


async def _page(
    desk: Desk,
    request: PanelRequest,
    job: JobInfo,
    entry: ScheduleEntry,
    *,
    which: str,
    fields: Mapping[str, str] | None,
    errors: Mapping[str, str] | None = None,
    is_conflict: bool = False,
    status: int = 200,
) -> Response:
    zone, now, pauses = await desk.timezone(), desk.now(), await desk.pauses()
    masked = entry_without_secrets(entry, job).schedules
    ids = schedule_ids(job.job_type, entry.schedules)

    def listed() -> list[ShownSchedule]:
        return [
            _listed(job, rule, str(identity), zone, now, pauses.get(f"schedule:{identity}"))
            for rule, identity in zip(masked, ids, strict=True)
        ]

    return desk.renderer.page(
        request,
        "schedules.html",
        status=status,
        job=job,
        entry=entry,
        schedules=await desk.reckon(listed),
        is_stored=any([await desk.schedules.get(name) is not None for name in (job.job_type, *job.aliases)]),
        which=which,
        fields=fields,
        errors=errors or {},
        is_conflict=is_conflict,
        default_zone=zone,
        zones=_zones() if fields else (),
        kinds=KINDS,
        weekdays=list(Weekday),
        units=list(UNITS),
        presets=PRESETS,
        NEW=NEW,
    )


async def _entry_of(desk: Desk, request: PanelRequest) -> tuple[JobInfo, ScheduleEntry]:
    job = await desk.jobs.get_job(request.value("job"))
    return job, await desk.jobs.get_job_schedules(job.job_type)


async def _replace(
    desk: Desk,
    request: PanelRequest,
    job: JobInfo,
    entry: ScheduleEntry,
    schedules: Sequence[JobSchedule],
    *,
    told: str,
) -> Response:
    if list(schedules) == list(entry.schedules):
        return back_to(request, _path(job), "Nothing was changed.")
    stored = await desk.jobs.set_job_schedule(job.job_type, schedules, expected_version=entry.version)
    zone = await desk.timezone()
    words = "; ".join(_words(rule, zone)[0] for rule in stored.schedules) or "none"
    request.call.audit.update(job=job.job_type, schedules=words[:500])
    return back_to(request, _path(job), told)


def _outlook(
    job: JobInfo,
    schedule: JobSchedule,
    before: Sequence[JobSchedule],
    after: Sequence[JobSchedule],
    zone: str,
    now: datetime,
) -> Outlook:
    fires = preview(schedule, job_id=job.id, default_timezone=zone, after=now, count=NEXT)
    difference = fire_difference(
        before, after, job_id=job.id, default_timezone=zone, since=now, until=now + SPAN, at_most=COMPARED
    )
    whole = (fires[-1].fire_time - now) if fires else timedelta(1)
    marks = [round((fire.fire_time - now) / whole * 100, 2) for fire in fires]
    return Outlook(words=describe(schedule, default_timezone=zone), fires=fires, difference=difference, marks=marks)


def _listed(
    job: JobInfo, rule: JobSchedule, identity: str, zone: str, now: datetime, paused: object | None
) -> ShownSchedule:
    fires: Sequence[FireTime] = ()
    words, is_wrong = _words(rule, zone)
    if not is_wrong:
        try:
            fires = preview(rule, job_id=job.id, default_timezone=zone, after=now, count=3)
        except InvalidScheduleError as error:
            words, is_wrong = f"{words}: {error.message}", True
    return ShownSchedule(id=identity, words=words, fires=fires, is_wrong=is_wrong, pause=paused)


def _words(rule: JobSchedule, zone: str) -> tuple[str, bool]:
    try:
        return describe(rule, default_timezone=zone), False
    except InvalidScheduleError as error:
        return error.message, True


def _fields(form: FormData) -> dict[str, str]:
    """Give the form's texts; of days, all that are ticked."""
    fields = {name: text_of(form, name, longest=LONGEST_FIELD) for name in FIELDS if name != "days"}
    return {**fields, "days": " ".join(str(day) for day in form.getlist("days"))}


def _chosen(entry: ScheduleEntry, which: str) -> JobSchedule | None:
    """Give what the form begins with: a schedule of the entry, or an empty one of a kind."""
    if which in set(ScheduleKind):
        kind = ScheduleKind(which)
        return JobSchedule(kind=kind, interval=timedelta(hours=1) if kind is ScheduleKind.INTERVAL else None)
    return _kept(entry, which)


def _kept(entry: ScheduleEntry, which: str) -> JobSchedule | None:
    if which.isascii() and which.isdigit() and len(which) < 6 and int(which) < len(entry.schedules):
        return entry.schedules[int(which)]
    return None


def _shown(job: JobInfo, entry: ScheduleEntry, which: str) -> JobSchedule | None:
    return _kept(entry_without_secrets(entry, job), which)


def _masked(job: JobInfo, entry: ScheduleEntry, which: str, otherwise: JobSchedule) -> JobSchedule:
    return _shown(job, entry, which) or otherwise


def _with(entry: ScheduleEntry, which: str, schedule: JobSchedule) -> list[JobSchedule]:
    """Give the entry's schedules with one replaced, or one more."""
    if _kept(entry, which) is None:
        if which not in {NEW, *ScheduleKind}:
            raise InvalidRequestError("this schedule is not there any more", hint="load the page again")
        return [*entry.schedules, schedule]
    return [schedule if str(number) == which else each for number, each in enumerate(entry.schedules)]


@cache
def _zones() -> Sequence[str]:
    return sorted(available_timezones())


def _path(job: JobInfo) -> str:
    return f"/jobs/{job.id}/schedules"
