"""Which workers the parent is tested with."""

from __future__ import annotations

import pytest

from .driving import CHILDREN


@pytest.fixture(params=CHILDREN)
def child(request: pytest.FixtureRequest) -> str:
    """Each test that takes it drives every kind of worker."""
    return str(request.param)
