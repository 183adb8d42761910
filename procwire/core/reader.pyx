# How bytes become frames.
#
# The event loop asks get_buffer() where to put what it reads.  Small frames land in one reusable
# buffer and are lent from there.  The payload of a frame that is too large to wait for in that
# buffer is received straight into the `bytes` object that the handler gets.
#
# Cost per frame: one header unpacked; a copy only of what had arrived when a large frame was
# noticed, and of the unread tail when the buffer's end is reached.
#
# Nothing here knows which side of the connection it is on.

from cpython.buffer cimport PyBUF_WRITE
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.string cimport memcpy, memmove

from typing import NamedTuple

from procwire.errors import ProtocolError

cdef extern from "Python.h":
    int _PyBytes_Resize(PyObject **obj, Py_ssize_t size) except -1

# One read of the event loop.  A Unix socket gives about 208 KiB at a time by default.
cdef Py_ssize_t READ_BUFFER_SIZE = 256 * 1024
# What is reserved for a large payload before its bytes arrive, and when these are there; then it
# grows fourfold.
cdef Py_ssize_t FIRST_RESERVATION = 1024 * 1024
cdef Py_ssize_t SECOND_RESERVATION = 16 * 1024 * 1024
# Below this much room behind the unread tail, the tail is moved to the front.
cdef Py_ssize_t LEAST_ROOM = 64 * 1024


class Frame(NamedTuple):
    """A whole frame, its payload owned by whoever holds it."""

    method_id: int
    flags: int
    request_id: int
    payload: bytes


cdef class FrameReader:
    """Cuts a byte stream into frames.

    After a :class:`ProtocolError` the reader stays in error: what follows is thrown away, as it is
    once nobody wants any more frames.
    """

    def __cinit__(self, uint32_t max_payload_size=PROCWIRE_DEFAULT_MAX_PAYLOAD_SIZE,
                  Py_ssize_t buffer_size=READ_BUFFER_SIZE):
        if max_payload_size > PROCWIRE_MAX_PAYLOAD_SIZE:
            raise ValueError(
                f"max_payload_size is {PROCWIRE_MAX_PAYLOAD_SIZE} at most, got {max_payload_size}")
        self.max_payload_size = max_payload_size
        self.reserve(buffer_size)

    cdef int reserve(self, Py_ssize_t size) except -1:
        """Have a buffer of this size, which must hold the largest frame that is waited for in it."""
        cdef Py_ssize_t unread = self._end - self._start
        buffer = PyByteArray_FromStringAndSize(NULL, size)
        if unread:
            memcpy(PyByteArray_AS_STRING(buffer), self._data + self._start, unread)
        # An event loop may still have a view of the old one, so it is replaced, never resized.
        self._buffer = buffer
        self._data = PyByteArray_AS_STRING(buffer)
        self._view = memoryview(buffer)
        self._size = size
        self._start = 0
        self._end = unread
        return 0

    cdef object get_buffer(self):
        """Where the next received bytes go: a writable memoryview, never empty."""
        cdef Py_ssize_t size
        cdef char *room = self.room(&size)
        if room == self._data:
            return self._view
        # The view does not hold the memory, which must have one owner to be resized; loops may
        # keep the view for longer, but write to it only before buffer_updated().
        return PyMemoryView_FromMemory(room, size, PyBUF_WRITE)

    cdef char *room(self, Py_ssize_t *size) except NULL:
        """Where the next received bytes go, and how many of them; never none."""
        if self._throws_away:
            self._in_body = False
            self._body = None
            self._start = self._end = 0
        elif self._body is not None and not self._in_body:
            self._grow_body()
            size[0] = PyBytes_GET_SIZE(self._body) - self._body_filled
            return PyBytes_AS_STRING(self._body) + self._body_filled
        if self._start == self._end:
            self._start = self._end = 0
        elif self._size - self._end < LEAST_ROOM:
            memmove(self._data, self._data + self._start, self._end - self._start)
            self._end -= self._start
            self._start = 0
        size[0] = self._size - self._end
        return self._data + self._end

    cdef int buffer_updated(self, Py_ssize_t nbytes) except -1:
        """`nbytes` have been written into what get_buffer() returned last."""
        self.received += nbytes
        if self._throws_away:
            return 0
        if self._body is not None and not self._in_body:
            self._body_filled += nbytes
        else:
            self._end += nbytes
        return 0

    cdef int next_frame(self) except -1:
        """1 when `header` and `payload` describe a whole new frame, 0 when bytes are missing."""
        cdef Py_ssize_t available
        cdef procwire_header_fault fault
        if self._in_body:
            self._in_body = False
            self._body = None
        if self._throws_away:
            return 0
        if self._body is not None:
            if self._body_filled < self._body_length:
                return 0
            self._in_body = True
            self.payload = PyBytes_AS_STRING(self._body)
            return 1
        available = self._end - self._start - PROCWIRE_HEADER_SIZE
        if available < 0:
            return 0
        procwire_header_unpack(<uint8_t *>(self._data + self._start), &self.header)
        fault = procwire_header_check(&self.header, self.max_payload_size)
        if fault != PROCWIRE_HEADER_OK:
            raise self._fault(fault)
        if available >= self.header.payload_length:
            self.payload = self._data + self._start + PROCWIRE_HEADER_SIZE
            self._start += PROCWIRE_HEADER_SIZE + self.header.payload_length
            return 1
        if self.header.payload_length > LARGE_PAYLOAD:
            self._begin_body(available)
        return 0

    cdef bytes take_payload(self):
        """The payload of the frame found last, as an object of its own."""
        cdef bytes body
        if self._in_body:
            body = self._body
            self._in_body = False
            self._body = None
            return body
        return PyBytes_FromStringAndSize(self.payload, self.header.payload_length)

    @property
    def at_boundary(self):
        """Whether the bytes so far end with a whole frame, so that an end of file is clean."""
        return self._throws_away or (
            self._start == self._end and (self._body is None or self._in_body))

    cdef int throw_away(self) except -1:
        """Find no more frames.  A frame that is lent may be used until the next bytes come."""
        self._throws_away = True
        return 0

    cdef int _begin_body(self, Py_ssize_t arrived) except -1:
        self._body_length = self.header.payload_length
        self._body = PyBytes_FromStringAndSize(
            NULL, min(self._body_length, max(FIRST_RESERVATION, arrived)))
        memcpy(PyBytes_AS_STRING(self._body),
               self._data + self._start + PROCWIRE_HEADER_SIZE, arrived)
        self._body_filled = arrived
        self._start = self._end = 0
        return 0

    cdef int _grow_body(self) except -1:
        cdef Py_ssize_t capacity = PyBytes_GET_SIZE(self._body)
        cdef PyObject *body
        if self._body_filled < capacity:
            return 0
        # Memory is reserved as bytes arrive, never on the word of a header.
        capacity = min(self._body_length, max(SECOND_RESERVATION, capacity * 4))
        body = <PyObject *>self._body
        Py_INCREF(self._body)
        self._body = None
        try:
            _PyBytes_Resize(&body, capacity)
        except MemoryError:
            self._throws_away = True
            raise
        self._body = <object>body
        Py_DECREF(<object>body)
        return 0

    cdef object _fault(self, procwire_header_fault fault):
        self._throws_away = True
        if fault == PROCWIRE_HEADER_METHOD_ZERO:
            return ProtocolError("frame with method id 0")
        if fault == PROCWIRE_HEADER_RESERVED_FLAGS:
            return ProtocolError(
                f"frame with reserved flag bits (flags 0x{self.header.flags:02x})")
        return ProtocolError(
            f"frame declares a payload of {self.header.payload_length} bytes, "
            f"the limit is {self.max_payload_size}")

    def feed(self, data):
        """Take received bytes; return the frames that are whole now.

        The same path as a connection's, for callers that have bytes instead of a transport.
        """
        cdef Py_ssize_t offset = 0, size
        frames = []
        source = memoryview(data).cast("B")
        while offset < len(source):
            target = self.get_buffer()
            size = min(len(target), len(source) - offset)
            target[:size] = source[offset:offset + size]
            target = None
            offset += size
            self.buffer_updated(size)
            while self.next_frame():
                header = self.header
                frames.append(
                    Frame(header.method_id, header.flags, header.request_id, self.take_payload()))
        return frames
