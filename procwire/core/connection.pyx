# A connection moves bytes between an asyncio transport, the frame reader and the frame writer,
# and keeps both directions from growing.
#
# There are two marks for what the peer has not taken yet.  Above the transport's high-water mark
# whoever writes step by step waits: streams, events.  Requests are still read, since one of them
# may be the abort of the stream that fills the buffer.  Above OUTPUT_LIMIT, where only answers
# can bring it, nothing is read any more until the peer has taken nearly all.
#
# It knows no roles: what a frame means is up to a subclass.

from libc.stdint cimport int64_t

import asyncio
from collections import OrderedDict

from procwire.errors import BackpressureTimeoutError, NotConnectedError, ProtocolError

# One slice of a large payload is more: the next ones go past the transport once it is empty.
HIGH_WATER_MARK = 128 * 1024
cdef Py_ssize_t OUTPUT_LIMIT = 8 * 1024 * 1024
# What the socket is asked to hold of what is sent, so that a large answer leaves in one call.
# The system may give less, and does where its administrator has set no more.
cdef int SEND_BUFFER_SIZE = 512 * 1024
# A peer that sends its next request as soon as it has an answer is heard earlier by one who stays
# and looks than by one who returns to the event loop.  Staying must not cost more than the turn of
# the loop that it may save: hence the nanoseconds.
cdef int64_t PATIENCE = 20_000
# A peer that has gone to sleep meanwhile takes longer to wake than that, and each side, asleep
# when the other one answers, would keep the other one asleep.  One long wait finds out; it is
# what the first try is after one in vain, and so as rare as those become.
cdef int64_t LONG_PATIENCE = 100_000
# So often at a time: others on this loop want their turns.
cdef int TURNS_SAVED = 8
# After larger batches it pays to let the next one grow meanwhile.
cdef int SMALL_BATCH = 4
# With a slower peer it is tried ever more rarely, at last after so many batches.
cdef int LONGEST_PENALTY = 64
# Seconds between looks at the peer while nothing is read.
cdef double END_LOOKS = 0.5
# Seconds without a byte taken after which a closing connection gives its peer up.
cdef double CLOSING_STALL = 1.0
# How often a peer is looked at within `backpressure_timeout`: it is given up that part late.
cdef int STALL_LOOKS = 8


def lost_error():
    return NotConnectedError("the connection was lost")


cdef class Connection:
    """The methods of ``asyncio.BufferedProtocol`` over a frame reader and a frame writer.

    asyncio recognises a buffered protocol by its base class, which a compiled class cannot
    have: a Python subclass adds it.
    """

    def __init__(self, loop, *, max_payload_size=PROCWIRE_DEFAULT_MAX_PAYLOAD_SIZE,
                 read_buffer_size=READ_BUFFER_SIZE, backpressure_timeout=None):
        self.loop = loop
        self.reader = FrameReader(max_payload_size, read_buffer_size)
        self.writer = FrameWriter(max_payload_size)
        self.waiting_writers = OrderedDict()
        self.backpressure_timeout = backpressure_timeout or 0
        self.closed = False
        self.fd = -1

    # ---- asyncio.BufferedProtocol ----------------------------------------------------------

    def connection_made(self, transport):
        self.transport = transport
        self.writer.transport = transport
        transport.set_write_buffer_limits(high=HIGH_WATER_MARK, low=0)
        sock = transport.get_extra_info("socket")
        if PROCWIRE_HAS_SOCKET_SHORTCUTS and sock is not None:
            self.fd = self.writer.fd = sock.fileno()
            procwire_set_send_buffer(self.fd, SEND_BUFFER_SIZE)
        if self.rejected:
            transport.abort()
        else:
            self.opened()

    def get_buffer(self, sizehint):
        return self.reader.get_buffer()

    def buffer_updated(self, nbytes):
        self.reader.buffer_updated(nbytes)
        self.process()
        self.read_on()

    def eof_received(self):
        return False

    def connection_lost(self, error):
        if error is None and not self.reader.at_boundary:
            error = ProtocolError("the connection ended inside a frame")
        self.closed = True
        self.stop_clocks()
        self.transport = None
        self.use_transport_only()
        if self.end_timer is not None:
            self.end_timer.cancel()
            self.end_timer = None
        self.writer.close()
        self.fail_waiting_writers(lost_error)
        if self.ended is not None and not self.ended.done():
            self.ended.set_result(None)
        self.lost(error)

    def pause_writing(self):
        self.paused_since = self.loop.time()
        self.writer.pause()

    def resume_writing(self):
        # Not from within: asyncio's transport would report its end twice if it came meanwhile.
        self.loop.call_soon(self.write_on)

    def write_on(self):
        """The transport has room: give it what waits."""
        if self.transport is None:
            return
        self.paused_before += self.loop.time() - self.paused_since
        self.writer.resume()
        self.close_when_sent()
        if not self.writer.paused:
            self.release(HOLD_OUTPUT)
            self.drained()
            # Two turns later, when what is readable has been read: a fast writer would otherwise
            # fill the buffer again each time, and shut the reader out for ever.
            self.loop.call_soon(self.loop.call_soon, self.wake_writer)

    # ---- reading ---------------------------------------------------------------------------

    cdef int process(self) except -1:
        """Dispatch the frames that have arrived, then send what they wrote."""
        if self.in_batch:
            # A handler runs the loop from within: the outer call goes on where this one ends.
            return self.hold(HOLD_NESTED)
        self.in_batch = True
        self.batch_size = 0
        try:
            self.before_frames()
            while not self.holds and not self.closed and self.reader.next_frame():
                self.frame_received()
                self.batch_size += 1
                if self.writer.paused:
                    self.watch_output()
        except ProtocolError as error:
            self.failed(error)
        finally:
            self.in_batch = False
            self.release(HOLD_NESTED)
            self.batch_done()
            if not self.writer.paused:
                self.writer.flush()
        return 0

    cdef int read_on(self) except -1:
        """Read what comes next without a turn of the loop, a few times."""
        cdef char *room
        cdef Py_ssize_t size, got
        cdef int64_t patience = LONG_PATIENCE if self.patience_penalty else PATIENCE
        for _ in range(TURNS_SAVED):
            if (self.fd < 0 or self.holds or self.closed or self.in_batch
                    or self.batch_size > SMALL_BATCH or not self.quiet()):
                break
            if self.patience_pause:
                self.patience_pause -= 1
                break
            room = self.reader.room(&size)
            with nogil:
                got = procwire_receive_soon(self.fd, room, size, patience)
            if not got:
                self.patience_penalty = min(2 * self.patience_penalty + 1, LONGEST_PENALTY)
                self.patience_pause = self.patience_penalty
                break
            if patience == PATIENCE:
                self.patience_penalty = 0
            patience = PATIENCE
            self.reader.buffer_updated(got)
            self.process()
        return 0

    cdef int watch_output(self) except -1:
        """Stop reading when answers pile up that nobody takes."""
        if self.writer.unsent() > OUTPUT_LIMIT:
            self.hold(HOLD_OUTPUT)
        return 0

    cdef int hold(self, int reason) except -1:
        """Stop reading for this reason."""
        if not self.holds and self.transport is not None:
            self.transport.pause_reading()
            if self.end_timer is None and self.fd >= 0:
                self.end_timer = self.loop.call_later(END_LOOKS, self.look_for_end)
        if not self.holds:
            self.held_since = self.loop.time()
        self.holds |= reason
        return 0

    def look_for_end(self):
        """Nobody reads: an event loop would not notice that the peer has closed."""
        self.end_timer = None
        if not self.holds or self.closed or self.fd < 0:
            return
        if procwire_hung_up(self.fd):
            self.abort()
        else:
            self.end_timer = self.loop.call_later(END_LOOKS, self.look_for_end)

    cdef int release(self, int reason) except -1:
        """This reason is gone."""
        if self.holds & reason:
            self.holds &= ~reason
            if not self.holds:
                self.held_before += self.loop.time() - self.held_since
            if not self.closed:
                # Also when another reason is left: what waits may go on, and take it away.
                self.loop.call_soon(self.resume_reading)
        return 0

    def resume_reading(self):
        """Frames that arrived before reading was stopped come first."""
        if not self.closed:
            self.process()
        if not self.holds and not self.closed:
            self.transport.resume_reading()

    # ---- writing ---------------------------------------------------------------------------

    cdef int wrote(self) except -1:
        """Frames have been written; they are sent when the batch or the loop's turn ends."""
        if not self.in_batch and not self.flush_scheduled:
            self.flush_scheduled = True
            self.loop.call_soon(self.flush)
        return 0

    def flush(self):
        self.flush_scheduled = False
        if self.writer.paused:
            # Small frames wait together.
            self.watch_output()
        else:
            self.writer.flush()

    async def wait_writable(self):
        """Wait until the transport has room, behind those who wait already.

        Raises:
            NotConnectedError: the connection is gone.
            BackpressureTimeoutError: the peer has taken nothing for `backpressure_timeout`.
        """
        place = None
        while True:
            if self.closed:
                raise lost_error()
            if not self.writer.paused:
                self.waiting_writers.pop(place, None)
                return
            future = self.loop.create_future()
            # Who was woken, and finds that one who had not waited was faster, keeps its place: it
            # would be behind the same one each time.
            if place is None:
                place = future
            self.waiting_writers[place] = future
            if self.backpressure_timeout and self.stall_timer is None:
                self.taken = self.writer.taken()
                self.stalled_since = self.loop.time()
                self.watch_stall()
            try:
                await future
            except BaseException:
                # Woken and cancelled in the same turn: the next in line must not miss it.
                self.waiting_writers.pop(place, None)
                if not self.waiting_writers:
                    self.stop_stall_timer()
                if future.done() and not future.cancelled():
                    self.wake_writer()
                raise

    cdef int watch_stall(self) except -1:
        self.stall_timer = self.loop.call_later(
            self.backpressure_timeout / STALL_LOOKS, self.look_for_stall)
        return 0

    cdef int stop_stall_timer(self) except -1:
        if self.stall_timer is not None:
            self.stall_timer.cancel()
            self.stall_timer = None
        return 0

    def look_for_stall(self):
        """Give the peer up for those who wait, if it has taken nothing for too long."""
        cdef uint64_t taken
        cdef double now = self.loop.time()
        self.stall_timer = None
        if self.closed or not self.waiting_writers:
            return
        taken = self.writer.taken()
        if taken != self.taken or not self.writer.paused:
            self.taken = taken
            self.stalled_since = now
        elif now - self.stalled_since >= self.backpressure_timeout:
            self.fail_waiting_writers(self.stall_error)
            return
        self.watch_stall()

    def stall_error(self):
        return BackpressureTimeoutError(
            f"the parent has taken nothing for {self.backpressure_timeout:g} s")

    def wake_writer(self):
        """Let one writer go on; the next one follows if there is room left behind it."""
        if self.writer.paused:
            return
        for future in self.waiting_writers.values():
            if not future.done():
                future.set_result(None)
                if len(self.waiting_writers) > 1:
                    self.loop.call_soon(self.wake_writer)
                return

    # ---- statistics ------------------------------------------------------------------------

    def traffic(self):
        """Bytes received and sent; seconds for which reading was held and writing was paused."""
        cdef double held = self.held_before, paused = self.paused_before, now
        if self.transport is not None:
            now = self.loop.time()
            if self.holds:
                held += now - self.held_since
            if self.writer.paused:
                paused += now - self.paused_since
        return self.reader.received, self.writer.handed, held, paused

    cdef int stop_clocks(self) except -1:
        """The connection has ended, and with it what was held or paused."""
        _, _, self.held_before, self.paused_before = self.traffic()
        self.held_since = self.paused_since = self.loop.time()
        return 0

    # ---- closing ---------------------------------------------------------------------------

    async def close(self, seconds):
        """Send what has been written, then close; return when the transport has ended.

        What the peer has not taken after `seconds` is dropped, and earlier when it takes nothing
        at all.
        """
        if self.transport is None:
            self.rejected = True
            return
        self.ended = self.loop.create_future()
        self.closed = True
        # Still read: a peer that waits for its own bytes to be taken would not take ours.
        self.reader.throw_away()
        self.fail_waiting_writers(lost_error)
        self.writer.flush()
        self.close_when_sent()
        end = self.loop.time() + seconds
        try:
            while not self.ended.done():
                unsent = self.writer.unsent()
                left = end - self.loop.time()
                await asyncio.wait([self.ended], timeout=min(left, CLOSING_STALL))
                if left <= CLOSING_STALL or self.writer.unsent() >= unsent:
                    break
        finally:
            self.abort()
        await self.ended

    def close_when_sent(self):
        """Once close() has begun: end when the transport has all; it sends its own buffer first."""
        if self.ended is not None and self.transport is not None and self.writer.handed_over():
            self.use_transport_only()
            self.transport.close()

    cdef int use_transport_only(self) noexcept:
        """The transport is about to close the socket, whose number may be another's then."""
        self.fd = self.writer.fd = -1
        return 0

    def abort(self):
        """Close now."""
        self.use_transport_only()
        if self.transport is not None:
            # Nothing behind it is begun until the transport says that it has ended.
            self.hold(HOLD_CLOSING)
            self.transport.abort()
        else:
            self.rejected = True

    cdef int fail_waiting_writers(self, object make_error) except -1:
        self.stop_stall_timer()
        while self.waiting_writers:
            _, future = self.waiting_writers.popitem(last=False)
            if not future.done():
                future.set_exception(make_error())
        return 0

    # ---- what a role adds ------------------------------------------------------------------

    cdef int opened(self) except -1:
        return 0

    cdef bint quiet(self) noexcept:
        """Whether nothing of this connection waits for a turn of the loop."""
        return not self.flush_scheduled and not self.writer.paused

    cdef int drained(self) except -1:
        return 0

    cdef int before_frames(self) except -1:
        return 0

    cdef int frame_received(self) except -1:
        return 0

    cdef int batch_done(self) except -1:
        return 0

    cdef int failed(self, object error) except -1:
        self.abort()
        return 0

    cdef int lost(self, object error) except -1:
        return 0
