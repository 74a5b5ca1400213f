"""SanteDB's type names: how they are compared, and those of its job services."""

from __future__ import annotations

import re

JOB_MANAGER = "SanteDB.Core.Jobs.DefaultJobManagerService, SanteDB.Core.Api"
JOB_MANAGER_2_0 = "SanteDB.Core.Services.DefaultJobManagerService, SanteDB.Core"
"""The name of the same class before SanteDB 2.1."""
XML_SCHEDULES = "SanteDB.Core.Jobs.XmlFileJobScheduleManager, SanteDB.Core.Api"
XML_STATES = "SanteDB.Core.Jobs.XmlFileJobStateManager, SanteDB.Core.Api"
ADO_JOBS = "SanteDB.Persistence.Data.Services.AdoJobManager, SanteDB.Persistence.Data"
"""Schedules and states in SanteDB's database, shared by its hosts."""
UPSTREAM_JOBS = "SanteDB.Client.Upstream.Management.UpstreamJobManager, SanteDB.Client"

_VERSION_PARTS = re.compile(
    r"\s*,\s*(?:Version|Culture|PublicKeyToken|ProcessorArchitecture)\s*=[^,\]]*", re.IGNORECASE
)
_COMMA = re.compile(r"\s*,\s*")


def normalise_type(text: str) -> str:
    """Give a type name in the one form it is compared in.

    Version parts of .NET names are dropped (``A.B, Asm, Version=1.0`` is ``A.B, Asm``), also inside generic
    arguments, and one space follows a comma. Other names, e.g. ``package.module:Class``, only lose the white
    space around them.
    """
    name = " ".join(text.split())
    if "," not in name:
        return name
    if "=" in name:
        name = _VERSION_PARTS.sub("", name)
    return name if name.count(",") == name.count(", ") and " ," not in name else _COMMA.sub(", ", name)
