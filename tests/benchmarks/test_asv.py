"""The asv suite drives the engine by its inner names: it must not break unnoticed."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def benchmarks() -> Iterator[tuple[type, tuple[Any, ...]]]:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        for path in sorted((BENCHMARKS / "asv").glob("bench_*.py")):
            module = importlib.import_module(f"asv.{path.stem}")
            for _, cls in inspect.getmembers(module, inspect.isclass):
                if cls.__module__ == module.__name__:
                    (values,) = getattr(cls, "params", ((None,),))
                    for value in values:
                        yield cls, () if value is None else (value,)
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [pytest.param(*found, id=f"{found[0].__name__} {found[1]}") for found in benchmarks()],
)
def test_a_benchmark_runs(cls: type, arguments: tuple[Any, ...]) -> None:
    benchmark = cls()
    benchmark.setup(*arguments)
    try:
        for name, measured in inspect.getmembers(benchmark, inspect.ismethod):
            if name.startswith("time_"):
                measured(*arguments)
    finally:
        if hasattr(benchmark, "teardown"):
            benchmark.teardown(*arguments)
