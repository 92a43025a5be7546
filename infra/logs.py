"""
Structured logs: JSON when not a terminal; secrets never in them.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_HOOK_SECRET = re.compile(r"(/webhooks/e-conomic/\d+/)[^/\s\"?]+(?=/(?:customer|invoice|daybook))")
_HIDDEN = re.compile(r"(?i)(token|secret|password|authorization|hook.?key|cookie)")


def set_up(process: str, *, level: str = "INFO") -> None:
    """Configure structlog and the standard library's logging for this process, once."""
    terminal = sys.stderr.isatty()

    def name_process(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_process,
        mask,
    ]
    on_terminal = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer = on_terminal if terminal else structlog.processors.JSONRenderer()
    tail: list[Any] = [renderer] if terminal else [structlog.processors.format_exc_info, renderer]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("pika", "httpx", "httpcore", "alembic", "dramatiq", "_granian", "granian.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def mask(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank what looks like a secret, by name or in a hook's address."""
    for key, value in event.items():
        if key != "event" and _HIDDEN.search(key):
            event[key] = "***"
        elif isinstance(value, str) and "/webhooks/" in value:
            event[key] = mask_path(value)
    return event


def mask_path(text: str) -> str:
    """A hook's address without its secret."""
    return _HOOK_SECRET.sub(r"\1***", text)
