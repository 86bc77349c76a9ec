"""Logging of long-running processes: one JSON object a line, records of the standard library included."""

import logging
import sys

import orjson
import structlog


def configure(level: int = logging.INFO) -> None:
    """To standard error."""
    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
    )
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format='{"event": %(message)r, "logger": "%(name)s", "level": "%(levelname)s"}'
    )
