"""The frame header, the frame reader and the frame writer: bytes only, no roles and no codecs."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef extern from "procwire_header.h" nogil:
    const int PROCWIRE_HEADER_SIZE
    const int PROCWIRE_FLAG_TO_PARENT
    const int PROCWIRE_FLAG_RESPONSE
    const int PROCWIRE_FLAG_ERROR
    const int PROCWIRE_FLAG_STREAM
    const int PROCWIRE_FLAG_STREAM_END
    const int PROCWIRE_FLAG_ACK
    const int PROCWIRE_FLAGS_RESERVED
    const int PROCWIRE_METHOD_AUTH
    const int PROCWIRE_METHOD_ABORT
    const uint32_t PROCWIRE_DEFAULT_MAX_PAYLOAD_SIZE
    const uint32_t PROCWIRE_MAX_PAYLOAD_SIZE

    ctypedef struct procwire_header:
        uint16_t method_id
        uint8_t flags
        uint32_t request_id
        uint32_t payload_length

    ctypedef enum procwire_header_fault:
        PROCWIRE_HEADER_OK
        PROCWIRE_HEADER_METHOD_ZERO
        PROCWIRE_HEADER_RESERVED_FLAGS
        PROCWIRE_HEADER_PAYLOAD_TOO_LARGE

    void procwire_header_pack(uint8_t *out, const procwire_header *header)
    void procwire_header_unpack(const uint8_t *data, procwire_header *header)
    procwire_header_fault procwire_header_check(
        const procwire_header *header, uint32_t max_payload_size)


cdef class FrameReader:
    # The limit on a declared payload length; a connection lowers it while a peer is a stranger.
    cdef public uint32_t max_payload_size

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
    cdef Py_ssize_t _start
    cdef Py_ssize_t _end

    # bytes: the payload of a large frame, received in place; None between large frames.
    cdef object _body
    # How much of _body has arrived, and how long it will be (it is grown as bytes arrive).
    cdef Py_ssize_t _body_filled
    cdef Py_ssize_t _body_length
    # Whether the frame that `header` describes has its payload in _body.
    cdef bint _in_body
    # A protocol error was raised: whatever follows is thrown away, never parsed.
    cdef bint _poisoned

    cdef object get_buffer(self)
    cdef int buffer_updated(self, Py_ssize_t nbytes) except -1
    cdef int next_frame(self) except -1
    cdef bytes take_payload(self)
    cdef int _begin_body(self, Py_ssize_t arrived) except -1
    cdef int _grow_body(self) except -1
    cdef object _fault(self, procwire_header_fault fault)


cdef class FrameWriter:
    # The limit on an outgoing payload: what is above it is refused before a byte is written.
    cdef uint32_t max_payload_size
    # asyncio.WriteTransport, or None before and after the connection.
    cdef object transport
    # The transport holds more than its high-water mark.
    cdef readonly bint paused

    # bytearray: frames gathered for the next flush; replaced when the transport keeps it.
    cdef object _block
    cdef char *_data
    cdef Py_ssize_t _capacity
    cdef Py_ssize_t _used
    # collections.deque of memoryviews: what must follow in this order once the transport
    # has room.  Only parts of large payloads get here, and what was written behind them.
    cdef object _backlog

    cdef int write_frame(self, int method_id, int flags, uint32_t request_id,
                         const char *payload, Py_ssize_t length) except -1
    cdef int write_large_frame(self, int method_id, int flags, uint32_t request_id,
                               object payload) except -1
    cdef int flush(self) except -1
    cdef int pause(self) except -1
    cdef int resume(self) except -1
    cdef int close(self) except -1
    cdef object _too_large(self, Py_ssize_t length)
    cdef int _hand_over(self, object data) except -1
    cdef int _reserve(self, Py_ssize_t size) except -1
