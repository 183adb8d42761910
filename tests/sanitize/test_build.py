"""`make sanitize` only: what is tested is the instrumented build."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from procwire import _core


@pytest.mark.skipif("ASAN_OPTIONS" not in os.environ, reason="only for `make sanitize`")
def test_the_library_is_instrumented() -> None:
    compiled = Path(_core.__file__).read_bytes()
    assert b"__asan_report_load1" in compiled
    assert b"__ubsan_handle" in compiled
