"""The fuzz targets without an engine: the stored corpus, and inputs made of it."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procwire import ProtocolError
from procwire._core import FrameReader

from .targets import TARGETS, reader_input

KIB = 1024
CORPUS = {
    target: {path.name: path.read_bytes() for path in sorted(directory.iterdir())}
    for target in TARGETS
    if (directory := Path(__file__).parent / "corpus" / target)
}
SIZE_LIMIT = 200 * KIB


def test_the_corpus_is_small() -> None:
    assert all(CORPUS.values())
    assert sum(len(data) for inputs in CORPUS.values() for data in inputs.values()) < SIZE_LIMIT


@pytest.mark.parametrize("target", TARGETS)
def test_stored_inputs(target: str) -> None:
    for name, data in CORPUS[target].items():
        try:
            TARGETS[target](data)
        except Exception as error:
            raise AssertionError(f"corpus/{target}/{name}: {error!r}") from error


@st.composite
def mutations(draw: st.DrawFn, target: str) -> bytes:
    """A stored input with parts of it replaced, by new bytes or by parts of another one."""
    inputs = st.sampled_from(list(CORPUS[target].values()))
    data = draw(inputs)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 16)))
        other = draw(inputs)
        new = draw(st.binary(max_size=8) | st.just(other[start : start + 16]))
        data = data[:start] + new + data[end:]
    return data


@pytest.mark.parametrize("target", TARGETS)
def test_mutated_inputs(target: str) -> None:
    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(mutations(target))
    def check(data: bytes) -> None:
        TARGETS[target](data)

    check()


def test_the_reader_reserves_no_more_than_has_arrived_gives_reason_for() -> None:
    for name, data in CORPUS["reader"].items():
        limit, _, stream = reader_input(data)
        frame_reader = FrameReader(limit)
        tracemalloc.start()
        try:
            with suppress(ProtocolError):
                for start in range(0, len(stream), 64 * KIB):
                    frame_reader.feed(stream[start : start + 64 * KIB])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        # For a large payload 1 MiB is reserved before anything of it has come, 16 MiB when that
        # is there, then four times what is there.
        first = 1100 * KIB if len(stream) < 1024 * KIB else 17 * 1024 * KIB
        assert peak < first + 4 * len(stream), name
