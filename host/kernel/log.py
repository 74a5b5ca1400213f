"""The host's log: structlog for ours, the standard library's records of everybody else through the same door."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from host.engine.context import CURRENT_RUN


def configure_logging(log_format: str, *, level: int = logging.INFO) -> None:
    """Send all logs to standard error, as ``console`` lines or ``json`` objects, without the secrets of runs."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(log_formatter(log_format))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def log_formatter(log_format: str) -> logging.Formatter:
    """Give what turns records, ours and everybody else's, into ``console`` lines or ``json`` objects."""
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            pad_event_to=0,
            sort_keys=False,
            exception_formatter=structlog.dev.plain_traceback,  # never local variables: they hold parameters
        )
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer, _redact],
    )


def _add_run(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    context = CURRENT_RUN.get()
    if context is not None:
        event.setdefault("run_id", str(context.run_id))
        event.setdefault("trace_id", context.trace_id)
        event.setdefault("job_type", context.run.job_type)
    return event


def _redact(_: WrappedLogger, __: str, rendered: Any) -> Any:
    # The whole line, whoever wrote it: a library's message or an exception may quote what a job gave it.
    context = CURRENT_RUN.get()
    return rendered if context is None else context.redacted(rendered)


_SHARED: Sequence[Processor] = (
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _add_run,
)
