"""The door of the one-process providers."""

from __future__ import annotations

from collections.abc import Iterable

from host.contracts.contract import Contract
from host.hookspecs import hookimpl
from host.local.audit import SqliteAuditTrail
from host.local.bus import LocalMessageBus
from host.local.clock import SystemClock
from host.local.directory import LocalDataDirectory
from host.local.executors import LoopJobExecutor, ThreadJobExecutor
from host.local.leadership import LocalLeadership
from host.local.locks import LocalLockProvider
from host.local.logs import SqliteRunLog
from host.local.notifiers import LogNotifier, SmtpNotifier
from host.local.processes import ProcessJobExecutor
from host.local.registry import SqliteJobRegistry
from host.local.runs import SqliteJobRunStore
from host.local.schedules import XmlJobScheduleManager
from host.local.secrets import LocalSecretProvider
from host.local.socket import ControlSocket


@hookimpl
def host_service_providers() -> Iterable[type[Contract]]:
    """Offer what one process needs."""
    return (
        LocalDataDirectory,
        SystemClock,
        LocalMessageBus,
        LocalLeadership,
        LocalLockProvider,
        SqliteJobRunStore,
        SqliteJobRegistry,
        SqliteRunLog,
        SqliteAuditTrail,
        XmlJobScheduleManager,
        LocalSecretProvider,
        LoopJobExecutor,
        ThreadJobExecutor,
        ProcessJobExecutor,
        ControlSocket,
        LogNotifier,
        SmtpNotifier,
    )
