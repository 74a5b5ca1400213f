"""Folders that runs may write into: made when asked for, gone when the attempt has ended."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import structlog

logger = structlog.get_logger(__name__)

FOLDER = "work"
"""Holds one folder a run that asked for one; below the data directory."""


def sweep(workspaces: Path) -> int:
    """Remove what earlier incarnations left behind; returns how many folders. Only while nothing runs."""
    found = list(workspaces.iterdir()) if workspaces.is_dir() else []
    for folder in found:
        remove(folder)
    return len(found)


def make(folder: Path) -> Path:
    """Make a run's folder, for its owner alone; nothing if it is there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def set_aside(folder: Path, mark: int) -> Path | None:
    """Move the folder of an attempt that has ended out of the way of the next one; gives where it is now, if it is."""
    aside = folder.with_name(f"{folder.name}.{mark}")
    try:
        return folder.rename(aside)
    except FileNotFoundError:
        return None
    except OSError:
        return folder


def remove(folder: Path) -> None:
    """Remove a run's folder with all that is in it, also what the job has made unwritable; what cannot be, is told."""
    try:
        if folder.is_dir() and not folder.is_symlink():
            _remove_tree(folder)
        else:
            folder.unlink(missing_ok=True)
    except (OSError, RecursionError) as error:  # too deep, or not ours any more
        logger.warning("workspace not removed", folder=str(folder), error=str(error))


def _remove_tree(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError:
        # Folders without permissions: they are given, each before what is in it, and it is tried once more.
        folder.chmod(0o700)
        for parent, names, _ in os.walk(folder):
            for path in (Path(parent, name) for name in names):
                if not path.is_symlink():
                    path.chmod(0o700)
        shutil.rmtree(folder)
