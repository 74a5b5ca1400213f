"""The panel's screens; one module each."""

from __future__ import annotations

from collections.abc import Sequence

from host_panel import sign_in
from host_panel.pages import Page
from host_panel.screens import audit, job, job_run, jobs, overview, providers, run, runs, schedules, search

_MODULES = (sign_in, overview, jobs, job, job_run, schedules, runs, run, providers, audit, search)


def all_pages() -> Sequence[Page]:
    """Give every page of every screen."""
    return [page for module in _MODULES for page in module.screens.pages()]
