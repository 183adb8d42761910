# What a worker does with frames: check who is there, find the method, decode, run the handler,
# answer.  Each request is answered exactly once; its end is marked by whoever writes it.
#
# No `return` stands inside an `except`: Cython releases the exception's traceback there, which does
# not exist when there was no memory for it, and that is a crash.
#
# A handler that returns without waiting leaves nothing behind: no task, no context object, no
# entry in a table.  Those are made when a handler asks for its context, or suspends.

from cpython.dict cimport PyDict_Size
from cpython.set cimport PySet_GET_SIZE
from libc.stdint cimport uint32_t


cdef extern from *:
    """
    static inline int procwire_has_await(PyObject *object) {
        const PyAsyncMethods *methods = Py_TYPE(object)->tp_as_async;
        return methods != NULL && methods->am_await != NULL;
    }
    """
    bint has_await "procwire_has_await"(object value)

import asyncio
import logging
from collections import OrderedDict

from procwire.errors import CodecError, NotConnectedError, ProtocolError, ValidationError
from procwire.failures import describe, log_about, log_failure, log_unsendable, reductions

connection_logger = logging.getLogger("procwire.connection")

FORMS = {
    "coroutine": FORM_COROUTINE,
    "async generator": FORM_ASYNC_GENERATOR,
    "inline": FORM_INLINE,
    "inline generator": FORM_INLINE_GENERATOR,
    "thread": FORM_THREAD,
    "thread generator": FORM_THREAD_GENERATOR,
}

# What a stranger may declare before it has proved the token; more if the token itself is longer.
STRANGER_PAYLOAD_LIMIT = 256

# What requests may hold that wait for a handler to end; above it nothing is read any more.
cdef Py_ssize_t WAITING_LIMIT = 4 * 1024 * 1024
# Error payloads are MessagePack whatever the method's codec is.
cdef MsgpackCodec default_error_codec = MsgpackCodec()


cdef class Method:
    """A registered method, ready to be dispatched to."""

    def __init__(self, name, id, kind, form, function, takes_context, request_codec,
                 response_codec, time_limit=None, max_concurrency=None):
        self.name = name
        self.id = id
        self.kind = KINDS[kind]
        self.form = FORMS[form]
        self.function = function
        self.takes_context = takes_context
        self.request_codec = as_codec(request_codec)
        self.response_codec = as_codec(response_codec)
        self.runs_user_codec = (
            self.request_codec.runs_user_code or self.response_codec.runs_user_code)
        if time_limit is not None:
            self.deadlines = Deadlines(time_limit.seconds)
            self.deadline_from_arrival = time_limit.from_arrival
            self.expired = time_limit.message
        self.max_concurrency = max_concurrency or 0
        self.queue = OrderedDict()

    cdef bint is_full(self) noexcept:
        return self.max_concurrency and self.under_way >= self.max_concurrency

    def refuse(self, function):
        """From now on every request is an error, which `function` raises; none is decoded."""
        self.form = FORM_INLINE
        self.function = function
        self.takes_context = False
        self.request_codec = RawCodec()
        self.max_concurrency = 0


cdef Codec as_codec(object codec):
    return codec if isinstance(codec, Codec) else ForeignCodec(codec)


cdef uint32_t stranger_limit(object token) except 0:
    return max(STRANGER_PAYLOAD_LIMIT, 0 if token is None else len(token))


cdef class WorkerConnection(Connection):
    """A connection on which the parent calls this worker's methods."""

    def __init__(self, session, loop, variables, methods, threads, *, token, max_payload_size,
                 max_concurrency, max_in_flight_bytes, backpressure_timeout, error_value,
                 error_codec=None):
        # A stranger's frame fits into the buffer, and nothing else does.
        Connection.__init__(
            self, loop, max_payload_size=max_payload_size,
            read_buffer_size=PROCWIRE_HEADER_SIZE + stranger_limit(token),
            backpressure_timeout=backpressure_timeout)
        self.session = session
        self.methods = methods
        self.threads = threads
        self.error_value = error_value
        self.error_codec = default_error_codec if error_codec is None else error_codec
        self.stage = Stage(loop, variables)
        self.token = token
        self.former = []
        self.in_flight = {}
        self.answered = set()
        self.max_concurrency = max_concurrency
        self.max_in_flight_bytes = max_in_flight_bytes
        self.waiting = WaitingRoom()

    # ---- the connection's life -------------------------------------------------------------

    cdef int opened(self) except -1:
        if self.session.connected:
            # Accepted in the same turn of the loop as the parent, and too late.
            self.abort()
        elif self.token is None:
            self.adopt()
        else:
            self.reader.max_payload_size = stranger_limit(self.token)
        return 0

    cdef int authenticate(self) except -1:
        """The first frame must prove the token; anything else ends the connection."""
        payload = self.reader.take_payload()
        if (self.reader.header.method_id != PROCWIRE_METHOD_AUTH
                or not self.token.matches(payload)):
            raise ProtocolError("the first frame does not prove the token")
        if self.session.connected:
            raise ProtocolError("another connection has been adopted")
        self.reader.max_payload_size = self.writer.max_payload_size
        self.adopt()
        return 0

    cdef int adopt(self) except -1:
        self.adopted = True
        self.token = None
        self.reader.reserve(READ_BUFFER_SIZE)
        self.session.adopted(self)
        return 0

    cdef int failed(self, object error) except -1:
        if self.adopted:
            connection_logger.error("the connection is dropped: %s", error)
        else:
            connection_logger.warning("a stranger's connection is dropped: %s", error)
        self.abort()
        return 0

    cdef int batch_done(self) except -1:
        procwire_set_running(0)
        self.stage.leave()
        return 0

    cdef int lost(self, object error) except -1:
        try:
            if self.adopted:
                self.adopted = False
                self.cancel_handlers()
            self.session.lost(self, error)
        finally:
            self.stage.retire()
        return 0

    def cancel_handlers(self):
        """Abort every request whose handler has not ended; no further one is begun."""
        cdef Method method
        self.hold(HOLD_CLOSING)
        self.waiting.clear([*self.methods, *self.former])
        for context in [*self.in_flight.values(), *self.answered]:
            (<Context>context).abort()
        for method in [*self.methods[1:], *self.former]:
            if method.deadlines is not None:
                method.deadlines.clear()

    def replace(self, variables, methods, threads, *, max_concurrency, max_in_flight_bytes,
                error_value, error_codec):
        """What comes from now on is for other methods; requests that are here stay with theirs."""
        self.former += self.methods[1:]
        self.methods = methods
        self.threads = threads
        self.error_value = error_value
        self.error_codec = error_codec
        self.max_in_flight_bytes = max_in_flight_bytes
        # Its spare task can be stepped by nobody who is a task himself.
        self.loop.call_soon(self.stage.close)
        self.stage = Stage(self.loop, variables)
        self.set_max_concurrency(max_concurrency)

    async def wait_idle(self, seconds):
        """Wait until every handler has ended, for `seconds` at most; None is for ever."""
        await self.wait_ended(None, seconds)

    async def wait_replaced(self, methods):
        """Wait until methods that others have replaced have no request any more."""
        await self.wait_ended(methods, None)
        self.former = [method for method in self.former if method not in methods]

    async def wait_ended(self, list methods, seconds):
        end = None if seconds is None else self.loop.time() + seconds
        while self.is_busy(methods) and (end is None or self.loop.time() < end):
            future = self.loop.create_future()
            if self.idle is None:
                self.idle = []
            self.idle.append(future)
            await asyncio.wait([future], timeout=None if end is None else end - self.loop.time())

    cdef bint is_busy(self, list methods) except -1:
        """Whether a handler is under way; of some methods, whether a request of theirs waits."""
        cdef Method method
        cdef Waiting waiting
        if methods is None:
            return self.under_way() > 0
        for method in methods:
            if method.under_way or method.queue:
                return True
        for waiting in self.waiting.queue:
            if waiting.method in methods:
                return True
        return False

    cdef int look_for_idle(self) except -1:
        """A request has ended, and somebody waits for the last one."""
        futures, self.idle = self.idle, None
        for future in futures:
            if not future.done():
                future.set_result(None)
        return 0

    def set_max_concurrency(self, max_concurrency):
        """How many handlers may be under way from now on; what waits is begun soon."""
        self.max_concurrency = max_concurrency
        self.schedule_waiting()

    @property
    def pending(self):
        """How many handlers have not ended."""
        return self.under_way()

    @property
    def waiting_count(self):
        """How many requests have been read and not begun."""
        return self.waiting.count

    cdef Py_ssize_t under_way(self) noexcept:
        return PyDict_Size(self.in_flight) + PySet_GET_SIZE(self.answered)

    cdef bint is_full(self) except -1:
        """Whether the next request has to wait; never when there is no other."""
        if self.under_way() >= self.max_concurrency:
            return True
        if not self.in_flight_bytes:
            return False
        # What has been answered and not taken is held as well.
        return (self.in_flight_bytes + (self.writer.unsent() if self.writer.paused else 0)
                >= self.max_in_flight_bytes)

    # ---- requests --------------------------------------------------------------------------

    cdef int frame_received(self) except -1:
        cdef int method_id = self.reader.header.method_id
        cdef uint32_t request_id = self.reader.header.request_id
        cdef Method method
        if not self.adopted:
            return self.authenticate()
        if method_id >= len(self.methods):
            if method_id == PROCWIRE_METHOD_ABORT:
                context = self.in_flight.get(request_id)
                if context is not None:
                    # Its callbacks are nobody's task.
                    self.stage.leave()
                    (<Context>context).abort()
                elif self.waiting.count:
                    waiting = self.waiting.by_id.get(request_id)
                    if waiting is not None:
                        self.stop_waiting(waiting)
            elif method_id != PROCWIRE_METHOD_AUTH:
                self.write_error(method_id, ERROR_FLAGS, request_id,
                                 f"Unknown method ID: {method_id}")
            return 0
        method = <Method>self.methods[method_id]
        if ((self.in_flight and request_id in self.in_flight)
                or (self.waiting.count and request_id in self.waiting.by_id)):
            raise ProtocolError(f"request id {request_id} is in flight already")
        method.requests += 1
        if self.is_full() or self.waiting.count and self.waiting.queue:
            return self.wait(method, request_id, True)
        if method.max_concurrency and (method.is_full() or method.queue):
            return self.wait(method, request_id, False)
        return self.begin(method, request_id, None)

    cdef int wait(self, Method method, uint32_t request_id, bint for_connection) except -1:
        """Keep a request until a handler ends; aborts are still read meanwhile."""
        cdef Waiting waiting = Waiting()
        waiting.connection = self
        waiting.method = method
        waiting.request_id = request_id
        waiting.payload = self.reader.take_payload()
        if method.deadline_from_arrival and request_id:
            waiting.deadline = method.deadlines.add(self.loop, waiting)
        self.waiting.add(waiting, for_connection)
        if self.waiting.size > WAITING_LIMIT:
            self.hold(HOLD_CONCURRENCY)
        return 0

    cdef int drained(self) except -1:
        return self.schedule_waiting()

    cdef int stop_waiting(self, Waiting waiting) except -1:
        """Nobody asks for it any more."""
        self.waiting.remove(waiting)
        waiting.method.aborted += 1
        if waiting.deadline is not None:
            waiting.method.deadlines.discard(waiting.deadline)
        if self.waiting.size <= WAITING_LIMIT // 2:
            self.release(HOLD_CONCURRENCY)
        if self.idle is not None:
            self.look_for_idle()
        return 0

    cdef int give_up_waiting(self, Waiting waiting) except -1:
        """Its time limit has passed."""
        self.stop_waiting(waiting)
        return self.answer_expired(waiting.method, waiting.request_id)

    cdef bint quiet(self) noexcept:
        return (Connection.quiet(self) and self.adopted and not self.under_way()
                and not self.waiting.count)

    cdef int before_frames(self) except -1:
        """Begin what has waited longest, as far as there is room."""
        cdef Waiting waiting
        while (self.waiting.count and not self.is_full()
               and not self.holds & ~HOLD_CONCURRENCY and not self.closed):
            waiting = self.waiting.next()
            if waiting is None:
                break
            self.request_deadline = waiting.deadline
            try:
                self.begin(waiting.method, waiting.request_id, waiting.payload)
            finally:
                self.request_deadline = None
                if waiting.deadline is not None and waiting.deadline.owner is waiting:
                    # It has ended at once.
                    waiting.method.deadlines.discard(waiting.deadline)
            if self.writer.paused:
                self.watch_output()
        if self.waiting.size <= WAITING_LIMIT // 2:
            self.release(HOLD_CONCURRENCY)
        if self.idle is not None:
            self.look_for_idle()
        return 0

    cdef int schedule_waiting(self) except -1:
        if self.waiting.has_work() and not self.waiting_scheduled:
            self.waiting_scheduled = True
            self.loop.call_soon(self.process_waiting)
        return 0

    def process_waiting(self):
        self.waiting_scheduled = False
        self.process()

    cdef int begin(self, Method method, uint32_t request_id, bytes payload) except -1:
        """Decode a request, `payload` or what the reader has found last, and run its handler."""
        self.request_size = self.reader.header.payload_length if payload is None else len(payload)
        failure = None
        procwire_set_running(procwire_request_key_of(method.id, request_id))
        if method.runs_user_codec:
            self.stage.leave()
        try:
            if payload is None:
                data = method.request_codec.decode_payload(self.reader)
            else:
                data = method.request_codec.decode_bytes(payload)
        except ValidationError as error:
            # It says itself what the caller has to know.
            failure = error
        except BaseException as error:
            failure = CodecError(
                f"the payload for {method.name!r} is not {method.request_codec.name}: "
                f"{describe(error)}; do both sides declare the same codec?")
            failure.__cause__ = error
        if failure is not None:
            return self.answer_error(method, request_id, failure)
        return self.start(method, request_id, data)

    cdef int start(self, Method method, uint32_t request_id, object data) except -1:
        cdef Context context = None
        failure = None
        if method.takes_context or method.form != FORM_COROUTINE and method.form != FORM_INLINE:
            context = Context(self, method, request_id)
        if method.form == FORM_THREAD or method.form == FORM_THREAD_GENERATOR:
            self.stage.leave()
            runner = self.threads if method.runner is None else method.runner
            if method.form == FORM_THREAD_GENERATOR:
                coroutine = stream_async(context, runner.iterate(context, method, data))
                return self.start_coroutine(method, request_id, coroutine, context)
            self.register(context)
            try:
                context.task = runner.call(context, method, data)
            except Exception as error:
                failure = error
            return 0 if failure is None else context.failed(failure)
        if method.form == FORM_INLINE or method.form == FORM_INLINE_GENERATOR:
            # Such a function runs outside of any task, as a callback of the loop does.
            self.stage.leave()
        try:
            if method.takes_context:
                result = method.function(data, context)
            else:
                result = method.function(data)
        except BaseException as error:
            failure = error
        if failure is not None:
            if context is not None:
                return context.failed(failure)
            return self.answer_error(method, request_id, failure)
        if method.form == FORM_COROUTINE:
            return self.start_coroutine(method, request_id, result, context)
        if method.form == FORM_ASYNC_GENERATOR:
            return self.start_coroutine(method, request_id, stream_async(context, result), context)
        if method.form == FORM_INLINE_GENERATOR:
            return self.start_coroutine(method, request_id, stream_sync(context, result), context)
        if has_await(result):
            # A plain function may hand out a coroutine: it is awaited.
            return self.start_coroutine(method, request_id, await_result(result), context)
        if context is None:
            return self.answer(method, request_id, result)
        return context.finished(result)

    cdef int start_coroutine(self, Method method, uint32_t request_id, object coroutine,
                             Context context) except -1:
        cdef int status
        if method.runs_user_codec:
            self.stage.leave()
        status = self.stage.first_step(coroutine)
        if status == STEP_SUSPENDED or status == STEP_NOT_TAKEN:
            if context is None:
                context = Context(self, method, request_id)
            self.register(context)
            if status == STEP_SUSPENDED:
                context.task = self.stage.suspend(coroutine, context)
            else:
                context.task = self.stage.run(coroutine, context)
            return 0
        result = self.stage.result
        error = self.stage.error
        self.stage.result = self.stage.error = None
        if method.runs_user_codec:
            self.stage.leave()
        if context is None:
            if status == STEP_RETURNED:
                return self.answer(method, request_id, result)
            return self.answer_error(method, request_id, error)
        if status == STEP_RETURNED:
            return context.finished(result)
        return context.failed(error)

    cdef int register(self, Context context) except -1:
        context.registered = True
        context.request_size = self.request_size
        self.in_flight_bytes += context.request_size
        context._method.under_way += 1
        procwire_requests_add(&context.request)
        if context._method.deadlines is not None and not context.ended:
            context.set_deadline(self.request_deadline)
        if context._request_id and not context.ended:
            self.in_flight[context._request_id] = context
        else:
            self.answered.add(context)
        return 0

    cdef int unregister(self, Context context) except -1:
        if context.registered:
            context.registered = False
            procwire_requests_remove(&context.request)
            context.task = None
            self.in_flight_bytes -= context.request_size
            context._method.under_way -= 1
            if context.deadline is not None:
                context.drop_deadline()
            if self.in_flight.get(context._request_id) is context:
                del self.in_flight[context._request_id]
            else:
                self.answered.discard(context)
            if self.waiting.count:
                self.waiting.method_ended(context._method)
                self.schedule_waiting()
            if self.idle is not None:
                self.look_for_idle()
        return 0

    cdef int free_id(self, Context context) except -1:
        """The request has its end while its handler goes on: the parent may use the id again."""
        if context.deadline is not None:
            context.drop_deadline()
        if self.in_flight.get(context._request_id) is context:
            del self.in_flight[context._request_id]
            self.answered.add(context)
        return 0

    # ---- answers ---------------------------------------------------------------------------

    cdef int answer(self, Method method, uint32_t request_id, object value) except -1:
        """The one end of a request whose handler returned `value` without a context."""
        failure = None
        if self.closed:
            method.aborted += 1
            return 0
        if request_id == 0:
            method.succeeded += 1
            return 0
        try:
            if method.kind == KIND_RESULT:
                method.response_codec.encode_frame(
                    self.writer, method.id, RESULT_FLAGS, request_id, value, True)
            elif method.kind == KIND_ACK:
                write_ack(self, method, request_id, value, True)
            elif method.kind == KIND_STREAM:
                if value is not None:
                    raise TypeError(
                        f"a stream handler yields, but {method.name!r} returned "
                        f"{type(value).__qualname__}")
                self.writer.write_frame(method.id, STREAM_END_FLAGS, request_id, NULL, 0)
            # Only `none` methods are left, which a parent calls with request id 0.
        except BaseException as error:
            failure = error
        if failure is not None:
            return self.answer_error(method, request_id, failure)
        method.succeeded += 1
        return self.wrote()

    cdef int answer_expired(self, Method method, uint32_t request_id) except -1:
        """The end of a request whose time limit has passed, for a parent that still waits."""
        log_about(method.name, request_id, logging.WARNING, "%s (request #%d)",
                  method.expired, request_id)
        cdef int flags = ERROR_FLAGS
        if method.kind == KIND_STREAM:
            flags |= PROCWIRE_FLAG_STREAM
        return self.write_error(
            method.id, flags, request_id, {"message": method.expired, "code": "E_TIMEOUT"})

    cdef int answer_error(self, Method method, uint32_t request_id, object error) except -1:
        """The one end of a request that failed."""
        log_failure(method.name, request_id, error, told=request_id != 0)
        if self.closed:
            method.aborted += 1
            return 0
        method.failed += 1
        if request_id == 0:
            return 0
        cdef int flags = ERROR_FLAGS
        if method.kind == KIND_STREAM:
            flags |= PROCWIRE_FLAG_STREAM
        return self.write_error(method.id, flags, request_id, self.error_value(error))

    cdef int write_error(self, int method_id, int flags, uint32_t request_id,
                         object payload) except -1:
        """`payload` is what error_value() makes: a text, or a mapping with a text."""
        if request_id == 0:
            return 0
        failure = None
        for value in reductions(payload, self.writer.max_payload_size):
            try:
                self.error_codec.encode_frame(
                    self.writer, method_id, flags, request_id, value, True)
                failure = None
            except BaseException as error:
                # Details that cannot travel must not take the error with them.
                failure = error
            if failure is None:
                return self.wrote()
            log_unsendable(failure)
        raise failure

    # ---- events ----------------------------------------------------------------------------

    async def emit(self, int event_id, codec, data):
        """Send an event; waits while the transport has no room."""
        if asyncio._get_running_loop() is not self.loop:
            raise RuntimeError("emit() is for the event loop of the worker, which is another "
                               "thread's: call emit_threadsafe() here")
        if self.writer.paused:
            await self.wait_writable()
        if self.closed or not self.adopted:
            raise NotConnectedError("there is no parent to send the event to")
        as_codec(codec).encode_frame(
            self.writer, event_id, PROCWIRE_FLAG_TO_PARENT, 0, data, False)
        self.wrote()
