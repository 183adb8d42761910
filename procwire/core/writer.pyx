# How frames become bytes.
#
# Frames are gathered in one block, which flush() sends; the payload of a large frame is sent
# without a copy.  What the socket does not take at once is given to the transport, in slices, while
# the transport has room: what is more waits here, as it is.
#
# Nothing here knows which side of the connection it is on.

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memmove

from collections import deque

from procwire.errors import CodecError

# The block starts small because an idle worker should be small.
cdef Py_ssize_t FIRST_BLOCK_SIZE = 16 * 1024
# A gathered block of this size is given to the transport without waiting for the batch's end:
# about what a Unix socket takes at once.
cdef Py_ssize_t FLUSH_SIZE = 192 * 1024
# Up to this size a copy costs less than lending the block and asking whether it was kept.
cdef Py_ssize_t SMALL_FLUSH = 16 * 1024
# A large payload is given to the transport in slices of this size while the transport has room.
# The transport of Python 3.11 copies what the socket does not take at once.
cdef Py_ssize_t SLICE_SIZE = 256 * 1024


cdef class FrameWriter:
    """Gathers whole frames in order and gives them to the transport."""

    def __cinit__(self, uint32_t max_payload_size=PROCWIRE_DEFAULT_MAX_PAYLOAD_SIZE):
        self.max_payload_size = max_payload_size
        self.fd = -1
        self._backlog = deque()

    cdef Py_ssize_t unsent(self) except -1:
        """Bytes that the socket has not taken yet."""
        cdef Py_ssize_t size = self._used + self._backlog_size
        if self.transport is not None:
            size += self.transport.get_write_buffer_size()
        return size

    cdef uint64_t taken(self) except? 0:
        """Bytes that the socket has taken since the beginning."""
        return self.handed - <uint64_t>self.transport.get_write_buffer_size()

    cdef bint handed_over(self) noexcept:
        """Whether the transport has all that has been written."""
        return not self._used and not self._backlog

    cdef int write_frame(self, int method_id, int flags, uint32_t request_id,
                         const char *payload, Py_ssize_t length) except -1:
        """Append a frame, copying its payload."""
        self._put_header(method_id, flags, request_id, length, length)
        if length:
            memcpy(self._data + self._used, payload, length)
            self._used += length
        if self._used >= FLUSH_SIZE:
            self.flush()
        return 0

    cdef int write_large_frame(self, int method_id, int flags, uint32_t request_id,
                               object payload) except -1:
        """Append a frame without copying its payload, which nobody may change from now on."""
        view = memoryview(payload).cast("B")
        self._put_header(method_id, flags, request_id, len(view), 0)
        self.flush()
        try:
            if self.paused or self._backlog:
                self._keep(view)
            else:
                self._pass_on(view)
        except:
            self._break()
            raise
        return 0

    cdef int _put_header(self, int method_id, int flags, uint32_t request_id, Py_ssize_t length,
                         Py_ssize_t room) except -1:
        """Append a header; there is `room` behind it then."""
        cdef procwire_header header
        if length > self.max_payload_size:
            raise self._too_large(length)
        header.method_id = method_id
        header.flags = flags
        header.request_id = request_id
        header.payload_length = <uint32_t>length
        self._reserve(PROCWIRE_HEADER_SIZE + room)
        procwire_header_pack(<uint8_t *>(self._data + self._used), &header)
        self._used += PROCWIRE_HEADER_SIZE
        return 0

    cdef int flush(self) except -1:
        """Give what has been gathered to the transport."""
        try:
            return self._flush()
        except:
            self._break()
            raise

    cdef int _flush(self) except -1:
        cdef object data
        cdef bint lent
        cdef Py_ssize_t sent
        if not self._used:
            return 0
        sent = 0 if self._backlog else self._send_now(self._data, self._used)
        if sent == self._used:
            self._used = 0
            return 0
        if sent:
            self._used -= sent
            memmove(self._data, self._data + sent, self._used)
        if self._used <= SMALL_FLUSH:
            data = PyBytes_FromStringAndSize(self._data, self._used)
        else:
            data = memoryview(self._block)[:self._used]
        lent = self._used > SMALL_FLUSH
        self._used = 0
        if self.paused or self._backlog:
            self._keep(data)
        else:
            self._hand_over(data)
            # A transport may keep a view of what the socket did not take.
            lent = lent and (self.transport is None or self.transport.get_write_buffer_size() > 0)
        if lent:
            self._block = None
        return 0

    cdef int pause(self) except -1:
        """The transport is above its high-water mark."""
        self.paused = True
        return 0

    cdef int resume(self) except -1:
        """The transport is below its low-water mark: give it what waits."""
        self.paused = False
        while self._backlog and not self.paused:
            data = self._backlog.popleft()
            self._backlog_size -= len(data)
            self._pass_on(data)
        if not self.paused:
            self.flush()
        return 0

    cdef int _break(self) except -1:
        """Part of a frame is lost, for want of memory: nothing may follow it."""
        transport = self.transport
        self.close()
        self.fd = -1
        if transport is not None:
            transport.abort()
        return 0

    cdef int close(self) except -1:
        """Forget the transport and all that waits for it."""
        self.transport = None
        self._block = None
        self._used = 0
        self._backlog.clear()
        self._backlog_size = 0
        return 0

    cdef int _keep(self, object data) except -1:
        """Have it follow what waits for room already."""
        self._backlog.append(data)
        self._backlog_size += len(data)
        return 0

    cdef object _too_large(self, Py_ssize_t length):
        return CodecError(
            f"the payload has {length} bytes, the limit is {self.max_payload_size} "
            "(max_payload_size)")

    cdef int _pass_on(self, object data) except -1:
        """Give a large piece to the socket and the transport; what is too much waits first."""
        cdef Py_buffer buffer
        cdef Py_ssize_t offset, length
        PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE)
        try:
            length = buffer.len
            offset = self._send_now(<const char *>buffer.buf, length)
        finally:
            PyBuffer_Release(&buffer)
        while offset < length:
            if self.paused:
                self._backlog.appendleft(data[offset:])
                self._backlog_size += length - offset
                break
            self._hand_over(data[offset:offset + SLICE_SIZE])
            offset += SLICE_SIZE
        return 0

    cdef Py_ssize_t _send_now(self, const char *data, Py_ssize_t size) except -1:
        """Send past a transport that holds nothing; how many bytes the socket has taken."""
        cdef Py_ssize_t sent
        if self.fd < 0 or self.paused:
            return 0
        if self._lent:
            if self.transport.get_write_buffer_size():
                return 0
            self._lent = False
        sent = procwire_send(self.fd, data, size)
        self.handed += sent
        return sent

    cdef int _hand_over(self, object data) except -1:
        # A closing transport drops it anyway, and its loop would log that.
        if self.transport is not None and not self.transport.is_closing():
            self._lent = True
            self.handed += len(data)
            self.transport.write(data)
        return 0

    cdef int _reserve(self, Py_ssize_t size) except -1:
        cdef Py_ssize_t capacity
        if self._block is None:
            # As large as the last one had to be: a busy connection will need it again.
            capacity = max(FIRST_BLOCK_SIZE, self._capacity, size)
            self._used = 0
        elif self._used + size > self._capacity:
            capacity = max(self._capacity * 2, self._used + size)
        else:
            return 0
        block = PyByteArray_FromStringAndSize(NULL, capacity)
        if self._used:
            memcpy(PyByteArray_AS_STRING(block), self._data, self._used)
        self._block = block
        self._data = PyByteArray_AS_STRING(block)
        self._capacity = capacity
        return 0
