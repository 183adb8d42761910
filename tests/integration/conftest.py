"""A worker with every kind of handler, on each loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from .. import processes
from .parent import Parent, Workers


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with Parent("handlers.py", loop_name) as parent:
        yield parent


@pytest.fixture
def children() -> Iterator[list[int]]:
    """Process ids; whatever a test does, they are gone afterwards."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            processes.kill(pid)


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """For files whose tests leave their worker as it was."""
    workers = Workers()
    yield workers
    workers.close()
