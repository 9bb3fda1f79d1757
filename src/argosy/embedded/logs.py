"""Where the processes log: standard error, so that standard output is for what was asked."""

import logging
import sys

import structlog


def log_to_stderr(name: str, level: int) -> None:
    """Log events of this level and above, as the process called `name`; of libraries only what is wrong."""
    logging.basicConfig(format=f"%(asctime)s {name} %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("django.request").setLevel(logging.ERROR)  # requests that are refused were answered
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso"),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,  # others print locals, secrets among them
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
