"""The job that writes a backup."""

from __future__ import annotations

from uuid import UUID

from host.contracts.host import DataDirectory, HostBackup
from host.contracts.jobs import Job, JobContext
from host.model.jobs import JobParameter, ParameterType
from host.model.runs import JobResult


class BackUp(Job):
    """Write and verify an archive of configuration, schedules and stores; keep the newest few.

    Result: ``{"archive": path, "bytes": size, "files": count, "deleted": [older archive, …]}``.
    """

    id = UUID("c00557e6-b948-46aa-bd03-6d46dfa9f9e8")
    name = "Back up"
    description = "Write and verify an archive of configuration, schedules and stores"
    parameters = (
        JobParameter(
            "folder",
            ParameterType.STRING,
            default="",
            description="Where archives go; relative to the data directory, its folder backups if empty",
        ),
        JobParameter(
            "keep",
            ParameterType.INTEGER,
            default=7,
            minimum=1,
            description="How many archives stay, the new one included",
        ),
    )

    def __init__(self, backups: HostBackup, directory: DataDirectory) -> None:
        self._backups = backups
        self._directory = directory

    async def run(self, context: JobContext) -> JobResult:
        """Write one archive."""
        keep = context.parameters["keep"]
        assert isinstance(keep, int)
        folder = self._directory.path() / (str(context.parameters["folder"]) or "backups")
        report = await self._backups.create(folder, keep=keep)
        value = {
            "archive": report.archive,
            "bytes": report.bytes,
            "files": report.files,
            "deleted": list(report.deleted),
        }
        context.log.info("backup written", **value)
        return JobResult(value=value, status_text=report.archive)
