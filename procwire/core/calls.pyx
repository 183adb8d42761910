# What a parent does with frames: number the requests, find whose answer has come, decode it, and
# tell the worker when nobody waits for an answer any more.
#
# A call has one end: its answer, an error, its deadline, its caller's loss of interest, or the loss
# of the connection.  Whatever comes first takes it out of the table; frames for a call that is not
# there mean nothing.

import logging
from asyncio import BaseEventLoop, current_task
from collections import deque
from contextvars import copy_context

from procwire.errors import (CodecError, NotConnectedError, ProtocolError, RemoteError,
                             RequestTimeoutError)
from procwire.failures import describe

parent_logger = logging.getLogger("procwire.parent")

# A stream is behind with so many chunks or bytes that nobody has taken, and not any more with a
# quarter of them.
cdef Py_ssize_t CHUNKS_BEHIND = 256
cdef Py_ssize_t BYTES_BEHIND = 4 * 1024 * 1024
# What a chunk counts besides its payload: an empty one is not free.
cdef Py_ssize_t CHUNK_OVERHEAD = 256
# What all streams of a worker may keep while an answer is owed, or a chunk is waited for: a consumer
# may wait for that before it takes its next chunk, and both come over one socket.
cdef Py_ssize_t KEPT_LIMIT = 64 * 1024 * 1024


cdef class RemoteMethod:
    """A method of a worker, ready to be called."""

    def __init__(self, name, id, kind, request_codec, response_codec, cancellable, timeout):
        self.name = name
        self.id = id
        self.kind = KINDS[kind]
        self.streams = self.kind == KIND_STREAM
        self.request_codec = as_codec(request_codec)
        self.response_codec = as_codec(response_codec)
        self.cancellable = cancellable
        self.timeout = timeout
        if timeout is not None:
            self.deadlines = Deadlines(timeout)

    def late(self):
        """What the caller is told when the time limit has passed."""
        return RequestTimeoutError(f"{self.name!r} has not answered within {self.timeout:g} s")


cdef class EventReceiver:
    """Where the data of an event goes."""

    def __init__(self, codec, deliver):
        self.codec = as_codec(codec)
        self.deliver = deliver


cdef object undecodable(RemoteMethod method, object error):
    failure = CodecError(
        f"the answer of {method.name!r} is not {method.response_codec.name}: {describe(error)}; "
        "do both sides declare the same codec?")
    failure.__cause__ = error
    return failure


cdef class Call(Expirable):
    """A request whose caller waits."""

    cdef int take_answer(self, int flags) except -1:
        """A frame that is no error has come for this call."""
        raise NotImplementedError

    cdef int fail(self, object error) except -1:
        """The call has ended, and not well."""
        raise NotImplementedError

    cdef int expire(self) except -1:
        self.connection.give_up(self)
        return self.fail(self.method.late())

    def cancel(self):
        """Nobody waits any more; the worker is told, where its method may be cancelled."""
        self.connection.give_up(self)


cdef class ResultCall(Call):
    """A call of a `result` or an `ack` method."""

    cdef int take_answer(self, int flags) except -1:
        failure = value = None
        self.connection.end_call(self)
        if flags & PROCWIRE_FLAG_STREAM:
            failure = ProtocolError(f"{self.method.name!r} has answered with a stream")
        elif flags & PROCWIRE_FLAG_ACK and self.method.kind == KIND_RESULT:
            failure = ProtocolError(f"{self.method.name!r} has answered with an ack, not a result")
        elif (flags & PROCWIRE_FLAG_ACK and not self.method.response_codec.empty_ack
                and not self.connection.reader.header.payload_length):
            # The Node worker's ack without data.
            pass
        else:
            try:
                value = self.method.response_codec.decode_payload(self.connection.reader)
            except Exception as error:
                failure = undecodable(self.method, error)
        if failure is not None:
            return self.fail(failure)
        self.connection.answered.append((self.future, value))
        return 0

    cdef int fail(self, object error) except -1:
        if not self.future.done():
            self.future.set_exception(error)
        return 0


cdef class StreamCall(Call):
    """A call of a `stream` method; its consumer takes chunks, and waits when there are none."""

    cdef int take_answer(self, int flags) except -1:
        failure = chunk = None
        if not flags & PROCWIRE_FLAG_STREAM:
            failure = ProtocolError(f"{self.method.name!r} has answered without a stream")
        elif flags & PROCWIRE_FLAG_STREAM_END:
            self.connection.end_call(self)
            self.finished = True
            return self.wake()
        else:
            try:
                chunk = self.method.response_codec.decode_payload(self.connection.reader)
            except Exception as error:
                failure = undecodable(self.method, error)
        if failure is not None:
            self.connection.give_up(self)
            return self.fail(failure)
        self.keep(chunk, self.connection.reader.header.payload_length + CHUNK_OVERHEAD)
        return self.wake()

    cdef int fail(self, object error) except -1:
        self.error = error
        self.finished = True
        return self.wake()

    cdef int wake(self) except -1:
        self.feed()
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)
        return 0

    def wait(self):
        """A future of the next chunk, or of the end."""
        self.waiter = self.connection.loop.create_future()
        if self.chunks or self.finished:
            self.waiter.set_result(None)
        elif not self.hungry:
            self.hungry = True
            self.connection.hungry += 1
            if self.connection.lagging:
                self.connection.balance()
        return self.waiter

    cdef int feed(self) except -1:
        """Its consumer does not wait any more."""
        if self.hungry:
            self.hungry = False
            self.connection.hungry -= 1
            if self.connection.lagging:
                self.connection.balance()
        return 0

    cdef int keep(self, object chunk, Py_ssize_t size) except -1:
        self.chunks.append(chunk)
        self.sizes.append(size)
        self.size += size
        self.connection.kept += size
        if not self.lagging and (len(self.chunks) >= CHUNKS_BEHIND or self.size >= BYTES_BEHIND):
            self.lagging = True
            self.connection.lagging += 1
        return self.connection.balance() if self.connection.lagging else 0

    def take(self):
        """The next chunk; there must be one."""
        cdef Py_ssize_t size = self.sizes.popleft()
        chunk = self.chunks.popleft()
        self.size -= size
        self.connection.kept -= size
        if (self.lagging and len(self.chunks) <= CHUNKS_BEHIND // 4
                and self.size <= BYTES_BEHIND // 4):
            self.catch_up()
        elif self.connection.holds & HOLD_CONSUMERS:
            self.connection.balance()
        return chunk

    cdef int catch_up(self) except -1:
        if self.lagging:
            self.lagging = False
            self.connection.lagging -= 1
        return self.connection.balance()

    def close(self):
        """The consumer has left, at the end or before it."""
        self.chunks.clear()
        self.sizes.clear()
        self.connection.kept -= self.size
        self.size = 0
        self.finished = True
        self.feed()
        self.cancel()
        self.catch_up()


cdef class ParentConnection(Connection):
    """A connection on which this process calls a worker's methods."""

    def __init__(self, link, loop, methods, events, *, token, max_payload_size):
        Connection.__init__(self, loop, max_payload_size=max_payload_size)
        self.link = link
        self.methods = methods
        self.events = events
        self.token = token
        self.variables = copy_context()
        self.calls = {}
        self.answered = []
        self.wakes_together = isinstance(loop, BaseEventLoop)

    # ---- calls -----------------------------------------------------------------------------

    def call(self, RemoteMethod method not None, data):
        """Send a request; returns the call, or None for a `none` method.

        Raises:
            NotConnectedError: the connection is gone.
            CodecError: the data cannot be encoded; nothing has been sent.
        """
        cdef ResultCall call
        cdef uint32_t request_id = 0
        if method.kind != KIND_NONE:
            request_id = self.free_request_id()
        self.write_request(method, request_id, data)
        if not request_id:
            self.wrote()
            return None
        call = ResultCall()
        call.future = self.loop.create_future()
        self.results_owed += 1
        self.enter(call, method, request_id)
        if method.deadlines is not None:
            call.deadline = method.deadlines.add(self.loop, call)
        if self.lagging:
            self.balance()
        if len(self.calls) == 1 and not self.in_batch and Connection.quiet(self):
            self.send_alone(call)
        else:
            self.wrote()
        return call

    def stream(self, RemoteMethod method not None, data):
        """Send a request of a `stream` method; returns the call.

        Raises:
            NotConnectedError, CodecError: as with call().
        """
        cdef StreamCall call
        cdef uint32_t request_id = self.free_request_id()
        self.write_request(method, request_id, data)
        call = StreamCall()
        call.chunks = deque()
        call.sizes = deque()
        self.enter(call, method, request_id)
        self.wrote()
        return call

    cdef int write_request(self, RemoteMethod method, uint32_t request_id, object data) except -1:
        if self.closed or self.transport is None:
            raise lost_error()
        return method.request_codec.encode_frame(
            self.writer, method.id, 0, request_id, data, False)

    cdef int enter(self, Call call, RemoteMethod method, uint32_t request_id) except -1:
        call.connection = self
        call.method = method
        call.request_id = request_id
        self.calls[request_id] = call
        return 0

    cdef int send_alone(self, Call call) except -1:
        """Send the request of the only call there is, and stay for its answer if that may pay."""
        # Whoever calls next in this turn of the loop finds this one under way, and shares a batch
        # with those behind.
        self.writer.flush()
        # Of several that take turns, each would keep the others from having their requests under
        # way at the same time.
        task = current_task(self.loop)
        if <void *>task == self.latest_caller and self.turns_saved < TURNS_SAVED:
            self.awaited = call
            try:
                self.read_on()
            except:
                # As event loops do with what they have called.
                self.abort()
                raise
            finally:
                self.awaited = None
            self.turns_saved += 1
        self.latest_caller = NULL if task is None else <void *>task
        return 0

    @property
    def unanswered(self):
        """The methods and ids of requests that have not had their end."""
        return [((<Call>call).method.name, (<Call>call).request_id)
                for call in self.calls.values()]

    cdef uint32_t free_request_id(self) except 0:
        while True:
            # It wraps; 0 is for those that nobody answers.
            self.last_request_id += 1
            if self.last_request_id and self.last_request_id not in self.calls:
                return self.last_request_id

    cdef bint end_call(self, Call call) except -1:
        """Take the call out of the table; whether it was in there."""
        if call.ended:
            return False
        call.ended = True
        del self.calls[call.request_id]
        if call.deadline is not None:
            call.method.deadlines.discard(call.deadline)
            call.deadline = None
        if call.method.kind != KIND_STREAM:
            self.results_owed -= 1
            if self.lagging:
                self.balance()
        return True

    cdef int give_up(self, Call call) except -1:
        """End the call before its answer, and tell the worker if it wants to know."""
        if self.end_call(call) and call.method.cancellable and not self.closed:
            self.writer.write_frame(PROCWIRE_METHOD_ABORT, 0, call.request_id, NULL, 0)
            self.wrote()
        return 0

    # ---- what the worker sends -------------------------------------------------------------

    cdef int frame_received(self) except -1:
        cdef int flags = self.reader.header.flags
        cdef uint32_t request_id = self.reader.header.request_id
        cdef Call call
        if not flags & PROCWIRE_FLAG_TO_PARENT:
            return 0
        if not request_id:
            return 0 if flags & PROCWIRE_FLAG_RESPONSE else self.event_received()
        found = self.calls.get(request_id) if flags & PROCWIRE_FLAG_RESPONSE else None
        if found is None:
            return 0
        call = <Call>found
        if not flags & PROCWIRE_FLAG_ERROR:
            return call.take_answer(flags)
        failure = value = None
        self.end_call(call)
        try:
            value = default_error_codec.decode_payload(self.reader)
        except Exception as error:
            failure = CodecError(f"the error of {call.method.name!r} cannot be read: {describe(error)}")
        return call.fail(RemoteError(value) if failure is None else failure)

    cdef int event_received(self) except -1:
        cdef EventReceiver receiver
        found = self.events.get(self.reader.header.method_id)
        if found is None:
            return 0
        failure = None
        receiver = found
        try:
            data = receiver.codec.decode_payload(self.reader)
        except Exception as error:
            failure = error
        if failure is not None:
            parent_logger.warning("an event cannot be decoded: %s", describe(failure))
            return 0
        # A caller that has stayed for its answer is nothing that its handlers should see.
        task = None if self.awaited is None else current_task(self.loop)
        if task is not None:
            _leave_task(self.loop, task)
        PyContext_Enter(self.variables)
        try:
            receiver.deliver(data)
        finally:
            PyContext_Exit(self.variables)
            if task is not None:
                _enter_task(self.loop, task)
        return 0

    # ---- callers that wait -----------------------------------------------------------------

    cdef int batch_done(self) except -1:
        if self.answered:
            answered, self.answered = self.answered, []
            if len(answered) > 1 and self.wakes_together and not self.loop.get_debug():
                self.wake_together(answered)
            else:
                for future, value in answered:
                    if not future.done():
                        future.set_result(value)
        return 0

    cdef int wake_together(self, list answered) except -1:
        """Have the callers of a batch woken by one callback of the loop, as each would be by its own.

        To asyncio's loop a callback is two calls of Python functions and an object.
        """
        cdef list wakeups = []
        loop = self.loop
        self.wakeups = wakeups
        call_soon = self.call_soon = loop.call_soon
        loop.call_soon = self.catch_wakeup
        try:
            for future, value in answered:
                self.waking = future
                if not future.done():
                    future.set_result(value)
        finally:
            del loop.call_soon
            if loop.call_soon != call_soon:
                # It was an attribute of its own before.
                loop.call_soon = call_soon
            self.waking = self.call_soon = self.wakeups = None
            if wakeups:
                wakeups.reverse()
                call_soon(self.wake, wakeups)
        return 0

    def catch_wakeup(self, callback, *args, context=None):
        """The loop's call_soon() while futures get their results."""
        if args and args[0] is self.waking:
            self.wakeups.append((callback, args, context))
            return None
        # Of somebody whom the garbage collector has called in between.
        return self.call_soon(callback, *args, context=context)

    def wake(self, list wakeups):
        """Call what was caught, the last of the list first."""
        try:
            while wakeups:
                callback, args, context = wakeups.pop()
                context.run(callback, *args)
        finally:
            if wakeups:
                # One of them ends the program; or so it looks, and the others go on.
                self.loop.call_soon(self.wake, wakeups)

    cdef int balance(self) except -1:
        """Read, unless consumers are behind and nobody can be waiting for what would be read."""
        if (self.kept >= KEPT_LIMIT
                or self.lagging and not self.results_owed and not self.hungry):
            if not self.holds & HOLD_CONSUMERS:
                self.hold(HOLD_CONSUMERS)
        else:
            self.release(HOLD_CONSUMERS)
        return 0

    # ---- the connection's life -------------------------------------------------------------

    cdef int opened(self) except -1:
        if self.token is not None:
            self.writer.write_frame(
                PROCWIRE_METHOD_AUTH, 0, 0, PyBytes_AS_STRING(self.token), len(self.token))
            self.token = None
            self.wrote()
        return 0

    cdef int before_frames(self) except -1:
        if self.awaited is None:
            self.turns_saved = 0
        return 0

    cdef bint quiet(self) noexcept:
        # Whoever has got an answer needs a turn of the loop to ask for more; but for a caller who
        # stays for it, and can ask at once.
        return (self.awaited is not None and not self.awaited.ended
                and Connection.quiet(self))

    cdef int watch_output(self) except -1:
        # Answers are read however many requests wait to be taken: a worker that takes none of
        # them may be waiting for this side to read.
        return 0

    cdef int failed(self, object error) except -1:
        self.fault = error
        self.abort()
        return 0

    cdef int lost(self, object error) except -1:
        cdef Call call
        cdef RemoteMethod method
        cause = error if self.fault is None else self.fault
        calls = list(self.calls.values())
        self.calls.clear()
        self.results_owed = 0
        for method in self.methods:
            if method.deadlines is not None:
                method.deadlines.clear()
        for call in calls:
            call.ended = True
            call.deadline = None
            failure = NotConnectedError(
                f"the connection was lost before {call.method.name!r} had answered")
            failure.__cause__ = cause
            call.fail(failure)
        self.link.lost(self, cause)
        return 0
