# The frame reader: received bytes in, frames out.

from libc.stdint cimport uint32_t, uint64_t


cdef class FrameReader:
    # The limit on a declared payload length; a connection lowers it while a peer is a stranger.
    cdef public uint32_t max_payload_size

    # Bytes that have arrived since the beginning.
    cdef uint64_t received

    # The frame that next_frame() found last.
    cdef procwire_header header
    # Its payload.  Lent: it lies in _buffer or in _body and is valid until the reader is
    # called again, so a payload is decoded or copied before user code can run.
    cdef const char *payload

    # bytearray: where small frames land.  Unread bytes are _buffer[_start:_end].
    cdef object _buffer
    # memoryview of all of _buffer, made once, since the loop asks before every read.
    cdef object _view
    cdef char *_data
    cdef Py_ssize_t _size
    cdef Py_ssize_t _start
    cdef Py_ssize_t _end

    # bytes: the payload of a large frame, received in place; None between large frames.
    cdef object _body
    # How much of _body has arrived, and how long it will be (it is grown as bytes arrive).
    cdef Py_ssize_t _body_filled
    cdef Py_ssize_t _body_length
    # Whether the frame that `header` describes has its payload in _body.
    cdef bint _in_body
    # A protocol error was raised, or no frame is wanted: what follows is thrown away, never parsed.
    cdef bint _throws_away

    cdef int reserve(self, Py_ssize_t size) except -1
    cdef object get_buffer(self)
    cdef char *room(self, Py_ssize_t *size) except NULL
    cdef int buffer_updated(self, Py_ssize_t nbytes) except -1
    cdef int next_frame(self) except -1
    cdef bytes take_payload(self)
    cdef int throw_away(self) except -1
    cdef int _begin_body(self, Py_ssize_t arrived) except -1
    cdef int _grow_body(self) except -1
    cdef object _fault(self, procwire_header_fault fault)
