"""What a worker's life consists of, for those who want to be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Change", "State"]

State = Literal["created", "initializing", "connecting", "ready", "disconnected", "closed"]
"""Where a module is in its life.

``disconnected`` is one whose worker was lost; it is ``initializing`` next, or ``closed``.
"""


@dataclass(frozen=True)
class Change:
    """Something that has happened to a worker.

    Attributes:
        kind: ``ready``; ``spawn failed``, and ``retrying`` if it is tried again; ``lost``, and
            ``restarting`` if it is started again; ``closed`` at the end.
        module: The module's name.
        error: What was wrong; ``None`` for ``ready``, and for a ``closed`` that was asked for and
            went well: the worker has ended in time, with status 0.
        delay: Seconds until it is tried again, where it is.
    """

    kind: Literal["ready", "spawn failed", "retrying", "lost", "restarting", "closed"]
    module: str
    error: BaseException | None = None
    delay: float | None = None
