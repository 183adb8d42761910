"""A worker with every kind of handler, on each loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .parent import Parent


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with Parent("handlers.py", loop_name) as parent:
        yield parent
