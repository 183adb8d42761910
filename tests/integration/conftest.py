"""A worker with every kind of handler, on each loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .parent import Parent, Workers


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with Parent("handlers.py", loop_name) as parent:
        yield parent


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """For files whose tests leave their worker as it was."""
    workers = Workers()
    yield workers
    workers.close()
