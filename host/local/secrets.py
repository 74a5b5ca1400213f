"""Secrets from files, as systemd credentials and container secrets are, or from the environment."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from host.contracts.contract import Finding, Service, Settings
from host.contracts.secrets import SecretProvider

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MAX_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSettings(Settings):
    """Where secrets are."""

    section: ClassVar[str] = "SecretConfigurationSection"
    folder: Path = Path("secrets")
    """A file a secret, named like it; a last line end is no part of it."""
    environment_prefix: str = "JOBHOST_SECRET_"
    """``secret:smtp-password`` is also looked for as ``JOBHOST_SECRET_SMTP_PASSWORD``."""


class LocalSecretProvider(SecretProvider, Service):
    """Reads a secret each time it is asked for, from its file, else from the environment."""

    is_default = True
    process_safe = True

    def __init__(self, settings: SecretSettings) -> None:
        self._settings = settings

    def get(self, name: str) -> str | None:
        """Give a secret; None for a name that is none, or that nobody has, or that cannot be read."""
        if _NAME.fullmatch(name) is None:
            return None
        found = _read(self._settings.folder / name)
        if found is None:
            variable = re.sub(r"[^A-Z0-9]", "_", name.upper())
            found = os.environ.get(f"{self._settings.environment_prefix}{variable}")
        return found

    def check(self) -> Sequence[Finding]:
        """Name secrets that everybody may read."""
        folder = self._settings.folder
        open_ones = [path for path in folder.iterdir() if _is_open(path)] if folder.is_dir() else []
        return [Finding(message=f"everybody may read the secret {path}; chmod 600 it") for path in sorted(open_ones)]


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES)
        return data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError):
        return None


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH) and path.is_file()
    except OSError:
        return False
