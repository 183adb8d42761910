"""Payloads that become NumPy arrays, because an annotation says so."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Annotated, Any

import msgpack
import numpy as np
import pytest
from numpy.typing import NDArray

from procwire import Client, MsgpackCodec, RawCodec, ValidationError
from procwire.arrays import Npy, Shape
from procwire.codecs import Codec
from procwire.decoders import Wanted, decoder_for

PIXELS = Annotated[NDArray[np.uint8], Shape(-1, 2, 3)]
PAIR = Annotated[NDArray[np.float32], Shape(2)]


def decoder(annotation: Any, codec: Codec | None = None) -> Codec:
    return decoder_for(Wanted(annotation, codec or RawCodec()))


def npy(array: NDArray[Any], version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


@pytest.mark.parametrize(
    ("annotation", "dtype", "shape"),
    [
        (np.ndarray, np.uint8, (24,)),
        (NDArray[Any], np.uint8, (24,)),
        (NDArray[np.float32], np.float32, (6,)),
        (NDArray[np.complex128], np.complex128, None),
        (np.ndarray[tuple[int], np.dtype[np.int16]], np.int16, (12,)),
        (PIXELS, np.uint8, (4, 2, 3)),
        (Annotated[NDArray[np.bool_], Shape(4, -1)], np.bool_, (4, 6)),
        (Annotated[np.ndarray, np.dtype(">u2"), Shape(3, 4)], ">u2", (3, 4)),
        (Annotated[np.ndarray, np.dtype([("x", "<f4"), ("id", "<u8")])],
         [("x", "<f4"), ("id", "<u8")], (2,)),
        (Annotated[NDArray[np.int64], "a note", Shape(3)], np.int64, (3,)),
    ],
)  # fmt: skip
def test_arrays_of_bytes(annotation: Any, dtype: Any, shape: tuple[int, ...] | None) -> None:
    payload = bytes(range(24)) if shape is not None else bytes(range(32))
    array = decoder(annotation).decode(payload)
    assert array.dtype == np.dtype(dtype)
    assert array.shape == (shape or (2,))
    assert array.tobytes() == payload


@pytest.mark.parametrize("annotation", [np.ndarray, PIXELS, Annotated[np.ndarray, Npy()]])
def test_an_array_is_a_view_that_cannot_be_written_to(annotation: Any) -> None:
    payload = npy(np.arange(6.0)) if "Npy" in str(annotation) else bytes(range(24))
    array = decoder(annotation).decode(payload)
    assert array.base is payload
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


@pytest.mark.parametrize(
    ("annotation", "payload", "text"),
    [
        (PIXELS, bytes(11),
         "uint8 and shape (n, 2, 3), got 11 bytes (not a multiple of 6 bytes)"),
        (PAIR, bytes(12), "float32 and shape (2,), got 12 bytes (it takes 8 bytes)"),
        (PAIR, b"", "float32 and shape (2,), got 0 bytes (it takes 8 bytes)"),
        (NDArray[np.int16], b"\0", "int16, got 1 bytes (not a multiple of 2 bytes)"),
    ],
)  # fmt: skip
def test_wrong_sizes(annotation: Any, payload: bytes, text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        decoder(annotation).decode(payload)
    assert str(caught.value) == f"$: expected an array of {text}"
    assert caught.value.to_payload()["code"] == "VALIDATION"


def test_no_bytes_are_no_rows() -> None:
    assert decoder(PIXELS).decode(b"").shape == (0, 2, 3)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (NDArray[np.object_], "bytes do not become an array of object"),
        (NDArray[np.str_], "bytes do not become an array of <U0"),
        (NDArray[np.floating], "is no type of an array's items"),
        (np.ndarray[tuple[int, int], np.dtype[np.int8]], "Shape"),
    ],
)
def test_annotations_that_say_too_little(annotation: Any, text: str) -> None:
    def handler(data: Any) -> None: ...

    handler.__annotations__["data"] = annotation
    with pytest.raises(TypeError, match=text):
        Client().handle("a", handler, codec="raw")


@pytest.mark.parametrize("sizes", [(), (0,), (-2,), (-1, -1), (2, -1, -1)])
def test_bad_shapes(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one may be -1"):
        Shape(*sizes)


# ---- .npy ----------------------------------------------------------------------------------------


ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype="<i2").reshape(2, 3)),
    np.array([(1, 2.5)], [("id", "<u4"), ("value", "<f8")]),
    np.zeros((0, 4), np.uint8),
    np.array(7, ">u4"),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: str(array.dtype))
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_files_say_what_they_are(array: NDArray[Any], version: tuple[int, int]) -> None:
    got = decoder(Annotated[np.ndarray, Npy()]).decode(npy(array, version))
    assert got.dtype == array.dtype
    assert got.flags.f_contiguous == array.flags.f_contiguous
    np.testing.assert_array_equal(got, array)


FILE = npy(np.arange(6.0).reshape(2, 3))


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\0" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"", "it does not begin as a .npy file does"),
        (b"\x93NUMPY", "unknown version"),
        (b"\x93NUMPY\x04\0" + bytes(100), "unknown version"),
        (FILE[:40], "its header is too long"),
        (b"\x93NUMPY\x02\0" + (20_000).to_bytes(4, "little") + bytes(30_000), "header is too long"),
        (FILE[:-1], "its header says 176"),
        (FILE + b"\0", "its header says 176"),
        (header("(" * 5000), "its header cannot be read"),
        (header("{'descr': '<f8'}"), "its header cannot be read"),
        (header("[1]"), "its header cannot be read"),
        (header("{'descr': '<f8', 'shape': (1,)}"), "its header cannot be read"),
        (header("{'descr': 'nonsense', 'fortran_order': 0, 'shape': ()}"), "cannot be read"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}") + bytes(8), "objects"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"), "no shape"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': [1]}"), "no shape"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (2**63,)}"), "cannot be read"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 4)}"),
         "its header says"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read(payload: bytes, text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        decoder(Annotated[np.ndarray, Npy]).decode(payload)
    assert text in str(caught.value)


def test_files_that_are_something_else() -> None:
    with pytest.raises(ValidationError, match=r"expected an array of float32 in a .npy file, got"):
        decoder(Annotated[NDArray[np.float32], Npy()]).decode(FILE)
    with pytest.raises(ValidationError, match=r"shape \(n, 4\) in a .npy file, got the shape"):
        decoder(Annotated[np.ndarray, Npy(), Shape(-1, 4)]).decode(FILE)
    assert decoder(Annotated[NDArray[np.float64], Npy(), Shape(-1, 3)]).decode(FILE).shape == (2, 3)


# ---- other codecs --------------------------------------------------------------------------------


def test_bytes_in_messagepack() -> None:
    codec = decoder(PAIR, MsgpackCodec())
    for packed in (msgpack.packb(bytes(8)), msgpack.packb(msgpack.ExtType(1, bytes(8)))):
        assert codec.decode(packed).shape == (2,)
    with pytest.raises(ValidationError, match=r"got list \(send a Buffer or a typed array\)"):
        codec.decode(msgpack.packb([1.0, 2.0]))


def test_other_annotations_and_codecs_are_left_alone() -> None:
    class Own:
        name = "own"

        def encode(self, value: Any) -> Any: ...
        def decode(self, payload: bytes) -> Any: ...

    own = Own()
    assert decoder(NDArray[np.int8], own) is own
    raw = RawCodec()
    assert decoder(bytes, raw) is raw


def test_numpy_is_not_loaded_for_others() -> None:
    program = (
        "import sys, procwire\n"
        "def f(data: memoryview) -> bytes: ...\n"
        "procwire.Client().handle('f', f, codec='raw')\n"
        "print([name for name in ('numpy', 'pyarrow', 'msgspec') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"
