"""pytest, then LeakSanitizer: ``python leaks.py PYTEST_ARGUMENTS``, in the environment of ``run``.

What LeakSanitizer finds is memory that nothing points to: buffers, and objects that the garbage
collector does not track, such as ``bytes``, ``str``, ``int`` and ``float``.  A list or an instance
with one reference too many stays in the collector's list, and is not found here.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import sys

import pytest

lsan = ctypes.CDLL(None)


def import_leaky() -> None:
    """These drop objects of their own while they are imported, some with no frame of their name."""
    lsan.__lsan_disable()
    try:
        import numpy  # noqa: F401
        import pydantic_core  # noqa: F401
    finally:
        lsan.__lsan_enable()


def look() -> None:
    gc.collect()
    if lsan.__lsan_do_recoverable_leak_check():
        os._exit(1)


if __name__ == "__main__":
    import_leaky()
    # While the interpreter exits, and not at the process's end, as it would happen by itself: an
    # interpreter that has been taken apart no longer reaches memory that it never meant to free.
    # And not earlier: Python's stack, which holds what running functions use, is not searched.
    atexit.register(look)
    sys.exit(pytest.main(sys.argv[1:]))
