"""Where the log of a node goes: stderr, as text on a terminal and as JSON lines elsewhere.

structlog through the standard library's logging, so that libraries end up in the same place and form.

An exception is logged as its class and place: its message or traceback may quote what somebody asked.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import TracebackType

import structlog

from appliance.cli.out import clean
from appliance.config import Logging


def configure(settings: Logging) -> None:
    """Sends every log line of this process to stderr in the configured form, from the configured level on."""
    text = settings.format == "text" or (settings.format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_traceback,
    ]
    render: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=False) if text else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, cleaned, render],
        )
    )
    logging.getLogger("tuf").setLevel(logging.ERROR)  # whose keys did not sign is no news; that too few did is refused
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def cleaned(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Text that came from elsewhere, harmless for the terminal on which somebody reads the log."""
    return {key: clean(value) if isinstance(value, str) else value for key, value in event.items()}


def without_traceback(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Class, file and line of an exception in place of the exception."""
    stated = event.pop("exc_info", None)
    event.pop("stack_info", None)
    error = sys.exc_info()[1] if stated is True else stated[1] if isinstance(stated, tuple) else stated
    if isinstance(error, BaseException):
        event["kind"] = type(error).__name__
        event["where"] = _place(error.__traceback__)
    return event


def _place(trace: TracebackType | None) -> str:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
