"""What ``breakpoint()`` does in a worker, whose standard input is the null device."""

from __future__ import annotations

import os
import sys
from typing import Any

__all__ = ["install"]

VARIABLE = "PYTHONBREAKPOINT"


def install(*, answers_pings: bool) -> None:
    """Have ``breakpoint()`` wait for ``procwire attach``; who has set another hook keeps it.

    Args:
        answers_pings: Whether the worker answers its parent's pings whatever its loop does, so
            that it still does when a debugger has left.
    """

    def stop(*arguments: Any, **options: Any) -> Any:
        if os.environ.get(VARIABLE):
            return sys.__breakpointhook__(*arguments, **options)
        # With pdb it takes longer to import than all the rest.
        from procwire import debugger

        debugger.stop(sys._getframe(1), answers_pings)
        return None

    if sys.breakpointhook is sys.__breakpointhook__:
        sys.breakpointhook = stop
