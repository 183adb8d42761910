# The header and the protocol's numbers, for Python: the same code that the reader and the writer
# call in C.

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize

from typing import NamedTuple

HEADER_SIZE = PROCWIRE_HEADER_SIZE
FLAG_TO_PARENT = PROCWIRE_FLAG_TO_PARENT
FLAG_RESPONSE = PROCWIRE_FLAG_RESPONSE
FLAG_ERROR = PROCWIRE_FLAG_ERROR
FLAG_STREAM = PROCWIRE_FLAG_STREAM
FLAG_STREAM_END = PROCWIRE_FLAG_STREAM_END
FLAG_ACK = PROCWIRE_FLAG_ACK
METHOD_ID_AUTH = PROCWIRE_METHOD_AUTH
METHOD_ID_ABORT = PROCWIRE_METHOD_ABORT
DEFAULT_MAX_PAYLOAD_SIZE = PROCWIRE_DEFAULT_MAX_PAYLOAD_SIZE
MAX_PAYLOAD_SIZE = PROCWIRE_MAX_PAYLOAD_SIZE


class Header(NamedTuple):
    """The four fields of a frame header."""

    method_id: int
    flags: int
    request_id: int
    payload_length: int


def pack_header(uint16_t method_id, uint8_t flags, uint32_t request_id, uint32_t payload_length):
    cdef procwire_header header
    cdef uint8_t[11] out
    header.method_id = method_id
    header.flags = flags
    header.request_id = request_id
    header.payload_length = payload_length
    procwire_header_pack(out, &header)
    return PyBytes_FromStringAndSize(<char *>out, PROCWIRE_HEADER_SIZE)


def unpack_header(data):
    cdef procwire_header header
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        if view.len < PROCWIRE_HEADER_SIZE:
            raise ValueError(f"a header has {PROCWIRE_HEADER_SIZE} bytes, got {view.len}")
        procwire_header_unpack(<const uint8_t *>view.buf, &header)
    finally:
        PyBuffer_Release(&view)
    return Header(header.method_id, header.flags, header.request_id, header.payload_length)
