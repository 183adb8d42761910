# The frame writer: frames in, bytes for the transport out.

from libc.stdint cimport uint32_t, uint64_t


cdef class FrameWriter:
    # The limit on an outgoing payload: what is above it is refused before a byte is written.
    cdef uint32_t max_payload_size
    # asyncio.WriteTransport, or None before and after the connection.
    cdef object transport
    # The transport's socket, or -1: what it takes at once needs no transport.
    cdef int fd
    # The transport may hold bytes that the socket has not taken.
    cdef bint _lent
    # Bytes that the transport or the socket has been given since the beginning.
    cdef uint64_t handed
    # The transport holds more than its high-water mark.
    cdef readonly bint paused

    # bytearray: frames gathered for the next flush; replaced when the transport keeps it.
    cdef object _block
    cdef char *_data
    cdef Py_ssize_t _capacity
    cdef Py_ssize_t _used
    # collections.deque of bytes and memoryviews: what must follow in this order once the
    # transport has room; and how many bytes that is.
    cdef object _backlog
    cdef Py_ssize_t _backlog_size

    cdef int write_frame(self, int method_id, int flags, uint32_t request_id,
                         const char *payload, Py_ssize_t length) except -1
    cdef int write_large_frame(self, int method_id, int flags, uint32_t request_id,
                               object payload) except -1
    cdef int flush(self) except -1
    cdef int _flush(self) except -1
    cdef int _break(self) except -1
    cdef Py_ssize_t unsent(self) except -1
    cdef uint64_t taken(self) except? 0
    cdef bint handed_over(self) noexcept
    cdef int pause(self) except -1
    cdef int resume(self) except -1
    cdef int close(self) except -1
    cdef int _put_header(self, int method_id, int flags, uint32_t request_id, Py_ssize_t length,
                         Py_ssize_t room) except -1
    cdef object _too_large(self, Py_ssize_t length)
    cdef int _keep(self, object data) except -1
    cdef int _pass_on(self, object data) except -1
    cdef Py_ssize_t _send_now(self, const char *data, Py_ssize_t size) except -1
    cdef int _hand_over(self, object data) except -1
    cdef int _reserve(self, Py_ssize_t size) except -1
