# A connection: the frame reader and the frame writer on an asyncio transport.

from libc.stdint cimport uint64_t


cdef enum:
    # Why reading is held; it goes on when no reason is left.
    HOLD_OUTPUT = 1
    HOLD_CONCURRENCY = 2
    # The worker shuts down: this one is never released.
    HOLD_CLOSING = 4
    # A handler runs the loop from within.
    HOLD_NESTED = 8
    # Consumers of streams are behind.
    HOLD_CONSUMERS = 16


cdef class Connection:
    cdef readonly object loop
    cdef readonly FrameReader reader
    cdef readonly FrameWriter writer
    # asyncio.Transport while the connection lives.
    cdef readonly object transport
    # Its socket, or -1 where frames can only go through the transport.
    cdef int fd
    # For how many batches nothing is waited for, and for how many it was after the last miss.
    cdef int patience_pause
    cdef int patience_penalty
    # How many frames were dispatched since the loop or read_on() brought bytes.
    cdef int batch_size
    # asyncio.TimerHandle: whether the peer is still there, while nothing is read that would tell.
    cdef object end_timer
    # Reasons for not reading, as bits.  hold() and release() are the only ones to touch it.
    cdef int holds
    # On the loop's clock: since when reading has been held, and for how long before; the same of
    # the transport that takes no more.
    cdef double held_since
    cdef double held_before
    cdef double paused_since
    cdef double paused_before
    # Frames are being dispatched: what they write is flushed at the end of the batch.
    cdef bint in_batch
    cdef bint flush_scheduled
    # Nothing is read or written any more: close() has begun, or the transport has ended.
    cdef readonly bint closed
    # asyncio.Future, made by close(): the transport has ended.
    cdef object ended
    # abort() came before the transport did.
    cdef bint rejected
    # collections.OrderedDict of futures: writers that wait for the transport, first come first
    # served.  Each has its place, under its first future, until it goes on or gives up.
    cdef object waiting_writers
    # Seconds for which the peer may take nothing while writers wait; 0 for ever.
    cdef double backpressure_timeout
    # Bytes that the peer had taken when it was last looked at, and since when, on the loop's
    # clock, it has taken no more.
    cdef uint64_t taken
    cdef double stalled_since
    # asyncio.TimerHandle of the next look; None when nobody waits.
    cdef object stall_timer

    cdef int hold(self, int reason) except -1
    cdef int release(self, int reason) except -1
    cdef int process(self) except -1
    cdef int read_on(self) except -1
    cdef int watch_output(self) except -1
    cdef int wrote(self) except -1
    cdef int use_transport_only(self) noexcept
    cdef int fail_waiting_writers(self, object make_error) except -1
    cdef int watch_stall(self) except -1
    cdef int stop_stall_timer(self) except -1
    cdef int stop_clocks(self) except -1

    # What a role adds.
    cdef int opened(self) except -1
    cdef bint quiet(self) noexcept
    cdef int drained(self) except -1
    cdef int before_frames(self) except -1
    cdef int frame_received(self) except -1
    cdef int batch_done(self) except -1
    cdef int failed(self, object error) except -1
    cdef int lost(self, object error) except -1
