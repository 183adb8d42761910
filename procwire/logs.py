"""What the package logs, and which request a log record is about.

The loggers are ``procwire`` and its children: ``procwire.requests`` (handlers that failed),
``procwire.connection`` (who was refused, what was dropped) and ``procwire.lifespan`` (start-up and
shutdown). Nothing is configured here.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any

from procwire._core import Context
from procwire.middleware import CallNext

__all__ = [
    "RequestFilter",
    "be_quiet",
    "current_method",
    "current_request_id",
    "speak_up",
    "track_requests",
]

current_method: ContextVar[str | None] = ContextVar("procwire_method", default=None)
"""The method whose handler is running; see :func:`track_requests`."""

current_request_id: ContextVar[int | None] = ContextVar("procwire_request_id", default=None)
"""The id of the request that is being handled; see :func:`track_requests`."""

_silence = logging.NullHandler()


def be_quiet() -> None:
    """Say nothing to those who have not configured logging, as a library should."""
    logging.getLogger("procwire").addHandler(_silence)


def speak_up() -> None:
    """The process is a worker: warnings and errors go to standard error, as Python does it."""
    logging.getLogger("procwire").removeHandler(_silence)


async def track_requests(data: Any, ctx: Context, call_next: CallNext) -> Any:
    """A middleware that sets :data:`current_method` and :data:`current_request_id`.

    They are seen by the handler, by what it calls, by the tasks and threads that it starts, and
    by :class:`RequestFilter`::

        client.middleware(track_requests)
    """
    current_method.set(ctx.method)
    current_request_id.set(ctx.request_id)
    return await call_next(data)


class RequestFilter(logging.Filter):
    """Gives each log record a ``method`` and a ``request_id``, ``"-"`` outside of any request.

    For a handler of :mod:`logging`, whose format may name them then. The records of
    ``procwire.requests`` have them in any case; those that your own code writes need
    :func:`track_requests`::

        handler = logging.StreamHandler()
        handler.addFilter(RequestFilter())
        handler.setFormatter(logging.Formatter("%(method)s #%(request_id)s %(message)s"))
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, with these attributes."""
        for name, variable in (("method", current_method), ("request_id", current_request_id)):
            if not hasattr(record, name):
                value = variable.get()
                setattr(record, name, "-" if value is None else value)
        return True
