"""How a command fails: in one line, unless it was the user's code that raised."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import traceback
from pathlib import Path
from types import TracebackType

__all__ = ["CommandError", "TargetError", "is_users", "show_failure", "users_part"]

_NOT_THE_USERS = (
    os.path.join(Path(__file__).resolve().parent.parent, ""),
    # Not their __file__, which is elsewhere when the standard library is in an archive.
    importlib.import_module.__code__.co_filename,
    "<frozen importlib",
    # What calls hooks, and enters a lifespan.
    os.path.join(os.path.dirname(asyncio.run.__code__.co_filename), ""),
    contextlib.aclosing.__init__.__code__.co_filename,
)


class CommandError(Exception):
    """A command cannot do what it was asked for; the text is all that is to be said.

    Attributes:
        status: The exit status: 2 when the command was not used as it is meant, else 1.
    """

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class TargetError(CommandError, ValueError):
    """There is no client where the target says."""


def show_failure(error: BaseException) -> None:
    """Print the traceback of what the user's code has raised, from where that code begins."""
    traceback.print_exception(type(error), error, users_part(error))


def users_part(error: BaseException) -> TracebackType | None:
    """The traceback of an exception, from where the user's code begins; all of it if it is ours."""
    if isinstance(error, SyntaxError):
        # It names its place itself: nothing of that module has run.
        return None
    return _users_frames(error) or error.__traceback__


def is_users(error: BaseException) -> bool:
    """Whether an exception has come through the user's code."""
    return _users_frames(error) is not None


def _users_frames(error: BaseException) -> TracebackType | None:
    frames = error.__traceback__
    while frames is not None:
        if not frames.tb_frame.f_code.co_filename.startswith(_NOT_THE_USERS):
            return frames
        frames = frames.tb_next
    return None
