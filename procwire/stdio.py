"""The descriptor firewall: standard input and output belong to the control plane alone.

The parent reads this process's standard output as control messages, and a stray line there,
from a ``print``, a C library or a child process, could be taken for one.  So descriptor 1 is
moved to a private number and replaced by standard error, and descriptor 0 by the null device.

It has to happen before user code runs.  A worker is usually a script whose first lines import
this package, so :func:`take_if_spawned` is called on import; it acts only in a process that a
Procwire parent has spawned, which sets ``PROCWIRE_MODULE_NAME``.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from procwire._core import set_standard_handle

if sys.platform == "win32":
    from msvcrt import get_osfhandle as _handle
else:

    def _handle(descriptor: int) -> int:
        return descriptor


__all__ = ["Descriptors", "at_terminal", "module_name", "sever", "take", "take_if_spawned"]

MODULE_NAME_VARIABLE = "PROCWIRE_MODULE_NAME"


@dataclass(frozen=True)
class Descriptors:
    """Where the control plane is read and written, once nobody else can reach it.

    On Windows they are handles: descriptors are numbers of the C library's there, and libraries may
    have different ones.
    """

    input: int
    output: int


_taken: Descriptors | None = None
_module_name: str | None = None


def module_name() -> str | None:
    """The name that the parent gave this module, or ``None`` when no parent has spawned it."""
    return _module_name


def at_terminal() -> bool:
    """Whether a person has started this process, and can type what it reads."""
    # Windows takes the null device for a terminal.
    return _taken is None and os.isatty(0)


def take_if_spawned() -> Descriptors | None:
    """Take the descriptors if a Procwire parent has spawned this very process."""
    global _module_name
    # Removed from the environment: a child of this process that imports the package is no
    # worker and must keep its own standard output.
    name = os.environ.pop(MODULE_NAME_VARIABLE, None)
    if name is not None and _taken is None:
        _module_name = name
        take()
    return _taken


def take() -> Descriptors:
    """Move standard input and output out of everybody's reach; once only."""
    global _taken
    if _taken is None:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        # Whoever has no standard error, a daemon for instance, has started a process without one:
        # the next descriptor that is made would be taken for it.
        for descriptor in (0, 1, 2):
            if not _is_open(descriptor):
                sever(descriptor)
                set_standard_handle(descriptor, _handle(descriptor))
        # os.dup() makes descriptors that child processes do not inherit.
        descriptors = Descriptors(_handle(os.dup(0)), _handle(os.dup(1)))
        sever(0)
        os.dup2(2, 1)
        for descriptor in (0, 1):
            set_standard_handle(descriptor, _handle(descriptor))
        if hasattr(sys.stdout, "reconfigure"):
            # It is a person's terminal or log now: a line must appear when it is printed.
            sys.stdout.reconfigure(line_buffering=True)
        _taken = descriptors
    return _taken


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def sever(descriptor: int) -> None:
    """Make a descriptor one of the null device, which is at its end and takes everything."""
    null = os.open(os.devnull, os.O_RDWR)
    if null == descriptor:
        os.set_inheritable(null, descriptor <= 2)
    else:
        os.dup2(null, descriptor, inheritable=descriptor <= 2)
        os.close(null)
