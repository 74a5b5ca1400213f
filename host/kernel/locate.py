"""Finding a host's data directory, quickly: for commands that only want to talk to it."""

from __future__ import annotations

import os
from pathlib import Path

from host.kernel.config import bind_settings, read_configuration
from host.local.directory import DataDirectorySettings


def data_directory(config: Path) -> Path:
    """Give the data directory of a configuration, so that its host can be asked whatever else was edited badly.

    Raises ConfigurationError if the place is not known.
    """
    kind = DataDirectorySettings.section
    return bind_settings(DataDirectorySettings, read_configuration(config, environment=os.environ, only=kind)).path
