"""The 11-byte header, against the bytes that Node's encoder makes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procwire._core import HEADER_SIZE, Header, pack_header, unpack_header


def test_golden_headers_both_ways(vectors: dict[str, Any]) -> None:
    assert len(vectors["headers"]) >= 10
    for golden in vectors["headers"]:
        header = Header(
            golden["methodId"], golden["flags"], golden["requestId"], golden["payloadLength"]
        )
        assert pack_header(*header).hex() == golden["hex"]
        assert unpack_header(bytes.fromhex(golden["hex"])) == header


@given(
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**8 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)
def test_unpack_reverses_pack(method_id: int, flags: int, request_id: int, length: int) -> None:
    packed = pack_header(method_id, flags, request_id, length)
    assert len(packed) == HEADER_SIZE
    assert unpack_header(packed) == (method_id, flags, request_id, length)


@pytest.mark.parametrize(
    "fields", [(2**16, 0, 0, 0), (0, 2**8, 0, 0), (0, 0, 2**32, 0), (0, 0, 0, 2**32), (-1, 0, 0, 0)]
)
def test_fields_that_do_not_fit_are_refused(fields: tuple[int, int, int, int]) -> None:
    with pytest.raises(OverflowError):
        pack_header(*fields)


def test_a_short_header_is_refused() -> None:
    with pytest.raises(ValueError, match="11 bytes, got 10"):
        unpack_header(bytes(10))
