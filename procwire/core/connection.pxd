# A connection: the frame reader and the frame writer on an asyncio transport.


cdef enum:
    # Why reading is held; it goes on when no reason is left.
    HOLD_OUTPUT = 1
    HOLD_CONCURRENCY = 2
    # The worker shuts down: this one is never released.
    HOLD_CLOSING = 4


cdef class Connection:
    cdef readonly object loop
    cdef readonly FrameReader reader
    cdef readonly FrameWriter writer
    # asyncio.Transport while the connection lives.
    cdef readonly object transport
    # Reasons for not reading, as bits.  hold() and release() are the only ones to touch it.
    cdef int holds
    # Frames are being dispatched: what they write is flushed at the end of the batch.
    cdef bint in_batch
    cdef bint flush_scheduled
    # Nothing is read or written any more: close() has begun, or the transport has ended.
    cdef readonly bint closed
    # asyncio.Future, made by close(): the transport has ended.
    cdef object ended
    # abort() came before the transport did.
    cdef bint rejected
    # collections.deque of futures: writers that wait for the transport, first come first served.
    cdef object waiting_writers

    cdef int hold(self, int reason) except -1
    cdef int release(self, int reason) except -1
    cdef int process(self) except -1
    cdef int watch_output(self) except -1
    cdef int wrote(self) except -1
    cdef int close_when_sent(self) except -1
    cdef int fail_waiting_writers(self) except -1

    # What a role adds.
    cdef int opened(self) except -1
    cdef int before_frames(self) except -1
    cdef int frame_received(self) except -1
    cdef int batch_done(self) except -1
    cdef int failed(self, object error) except -1
    cdef int lost(self, object error) except -1
