# What a worker does with frames: check who is there, find the method, decode, run the handler,
# answer.  Each request is answered exactly once; its end is marked by whoever writes it.
#
# A handler that returns without waiting leaves nothing behind: no task, no context object, no
# entry in a table.  Those are made when a handler asks for its context, or suspends.

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from procwire._codecs cimport Codec, ForeignCodec
from procwire._connection cimport HOLD_CONCURRENCY, Connection
from procwire._framing cimport (PROCWIRE_FLAG_ACK, PROCWIRE_FLAG_ERROR, PROCWIRE_FLAG_RESPONSE,
                                PROCWIRE_FLAG_STREAM, PROCWIRE_FLAG_STREAM_END,
                                PROCWIRE_FLAG_TO_PARENT, PROCWIRE_METHOD_ABORT,
                                PROCWIRE_METHOD_AUTH)
from procwire._msgpack cimport MsgpackCodec
from procwire._task cimport (STEP_NOT_TAKEN, STEP_RETURNED, STEP_SUSPENDED, Owner, Stage)

import asyncio
import hmac
import logging
from inspect import isawaitable

from procwire.errors import (CodecError, NotConnectedError, ProtocolError,
                             ResponseAlreadySentError)
from procwire.failures import error_payload, log_failure

logger = logging.getLogger("procwire")

cdef int RESULT_FLAGS = PROCWIRE_FLAG_TO_PARENT | PROCWIRE_FLAG_RESPONSE
cdef int ACK_FLAGS = RESULT_FLAGS | PROCWIRE_FLAG_ACK
cdef int CHUNK_FLAGS = RESULT_FLAGS | PROCWIRE_FLAG_STREAM
cdef int STREAM_END_FLAGS = CHUNK_FLAGS | PROCWIRE_FLAG_STREAM_END
cdef int ERROR_FLAGS = RESULT_FLAGS | PROCWIRE_FLAG_ERROR

KINDS = {"result": KIND_RESULT, "stream": KIND_STREAM, "ack": KIND_ACK, "none": KIND_NONE}
KIND_NAMES = {kind: name for name, kind in KINDS.items()}
FORMS = {
    "coroutine": FORM_COROUTINE,
    "async generator": FORM_ASYNC_GENERATOR,
    "inline": FORM_INLINE,
    "inline generator": FORM_INLINE_GENERATOR,
    "thread": FORM_THREAD,
    "thread generator": FORM_THREAD_GENERATOR,
}

# After so many chunks a stream whose source never waits lets others have the loop.
cdef int CHUNKS_PER_TURN = 64
# What a stranger may declare before it has proved the token.
cdef uint32_t MAX_TOKEN_SIZE = 256

# Error payloads are MessagePack whatever the method's codec is.
cdef MsgpackCodec error_codec = MsgpackCodec()
cdef object CancelledError = asyncio.CancelledError
cdef object sleep = asyncio.sleep


cdef class Method:
    """A registered method, ready to be dispatched to."""

    def __init__(self, name, id, kind, form, function, takes_context, request_codec,
                 response_codec):
        self.name = name
        self.id = id
        self.kind = KINDS[kind]
        self.form = FORMS[form]
        self.function = function
        self.takes_context = takes_context
        self.request_codec = as_codec(request_codec)
        self.response_codec = as_codec(response_codec)


cdef Codec as_codec(object codec):
    return codec if isinstance(codec, Codec) else ForeignCodec(codec)


cdef class WorkerConnection(Connection):
    """A connection on which the parent calls this worker's methods."""

    def __init__(self, client, loop, variables, methods, threads, *, token, max_payload_size,
                 max_concurrency):
        Connection.__init__(self, loop, max_payload_size=max_payload_size)
        self.client = client
        self.methods = methods
        self.threads = threads
        self.stage = Stage(loop, variables)
        self.token = token
        self.in_flight = {}
        self.answered = set()
        self.max_concurrency = max_concurrency

    # ---- the connection's life -------------------------------------------------------------

    cdef int opened(self) except -1:
        if self.token is None:
            self.adopt()
        else:
            self.reader.max_payload_size = MAX_TOKEN_SIZE
        return 0

    cdef int authenticate(self) except -1:
        """The first frame must prove the token; anything else ends the connection."""
        payload = self.reader.take_payload()
        if (self.reader.header.method_id != PROCWIRE_METHOD_AUTH
                or not hmac.compare_digest(payload, self.token)):
            raise ProtocolError("the first frame does not prove the token")
        self.reader.max_payload_size = self.writer.max_payload_size
        self.adopt()
        return 0

    cdef int adopt(self) except -1:
        self.adopted = True
        self.token = None
        self.client._adopted(self)
        return 0

    cdef int failed(self, object error) except -1:
        if self.adopted:
            logger.error("the connection is dropped: %s", error)
        else:
            logger.warning("a stranger's connection is dropped: %s", error)
        self.abort()
        return 0

    cdef int batch_done(self) except -1:
        self.stage.leave()
        return 0

    cdef int lost(self, object error) except -1:
        self.stage.close()
        if self.adopted:
            self.adopted = False
            self.cancel_handlers()
        self.client._lost(self, error)
        return 0

    def cancel_handlers(self):
        """Abort every request whose handler has not ended."""
        for context in [*self.in_flight.values(), *self.answered]:
            (<Context>context).abort()

    async def wait_idle(self, timeout):
        """Wait until every handler has ended, for `timeout` seconds at most."""
        if self.pending:
            self.idle = self.loop.create_future()
            await asyncio.wait([self.idle], timeout=timeout)

    @property
    def pending(self):
        """How many handlers have not ended."""
        return len(self.in_flight) + len(self.answered)

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
                    (<Context>context).abort()
            elif method_id != PROCWIRE_METHOD_AUTH:
                self.write_error(method_id, ERROR_FLAGS, request_id,
                                 f"Unknown method ID: {method_id}")
            return 0
        method = <Method>self.methods[method_id]
        try:
            data = method.request_codec.decode_payload(self.reader)
        except Exception as error:
            failure = CodecError(
                f"the payload for {method.name!r} is not {method.request_codec.name}: {error}; "
                "do both sides declare the same codec?")
            failure.__cause__ = error
            return self.answer_error(method, request_id, failure)
        if self.in_flight and request_id in self.in_flight:
            raise ProtocolError(f"request id {request_id} is in flight already")
        return self.start(method, request_id, data)

    cdef int start(self, Method method, uint32_t request_id, object data) except -1:
        cdef Context context = None
        if method.takes_context or method.form != FORM_COROUTINE and method.form != FORM_INLINE:
            context = Context(self, method, request_id)
        if method.form == FORM_THREAD or method.form == FORM_THREAD_GENERATOR:
            self.stage.leave()
            if method.form == FORM_THREAD:
                self.register(context)
                context.task = self.threads.call(context, method, data)
                return 0
            coroutine = stream_async(context, self.threads.iterate(context, method, data))
            return self.start_coroutine(method, request_id, coroutine, context)
        if method.form == FORM_INLINE or method.form == FORM_INLINE_GENERATOR:
            # Such a function runs outside of any task, as a callback of the loop does.
            self.stage.leave()
        try:
            if method.takes_context:
                result = method.function(data, context)
            else:
                result = method.function(data)
        except BaseException as error:
            if context is not None:
                return context.failed(error)
            return self.answer_error(method, request_id, error)
        if method.form == FORM_COROUTINE:
            return self.start_coroutine(method, request_id, result, context)
        if method.form == FORM_ASYNC_GENERATOR:
            return self.start_coroutine(method, request_id, stream_async(context, result), context)
        if method.form == FORM_INLINE_GENERATOR:
            return self.start_coroutine(method, request_id, stream_sync(context, result), context)
        if context is None:
            return self.answer(method, request_id, result)
        return context.finished(result)

    cdef int start_coroutine(self, Method method, uint32_t request_id, object coroutine,
                             Context context) except -1:
        cdef int status = self.stage.first_step(coroutine)
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
        if context is None:
            if status == STEP_RETURNED:
                return self.answer(method, request_id, result)
            return self.answer_error(method, request_id, error)
        if status == STEP_RETURNED:
            return context.finished(result)
        return context.failed(error)

    cdef int register(self, Context context) except -1:
        context.registered = True
        if context._request_id:
            self.in_flight[context._request_id] = context
        else:
            self.answered.add(context)
        if self.pending >= self.max_concurrency:
            self.hold(HOLD_CONCURRENCY)
        return 0

    cdef int unregister(self, Context context) except -1:
        if context.registered:
            context.registered = False
            context.task = None
            if self.in_flight.get(context._request_id) is context:
                del self.in_flight[context._request_id]
            else:
                self.answered.discard(context)
            if self.pending < self.max_concurrency:
                self.release(HOLD_CONCURRENCY)
            if self.idle is not None and not self.pending and not self.idle.done():
                self.idle.set_result(None)
        return 0

    cdef int free_id(self, Context context) except -1:
        """The request has its end while its handler goes on: the parent may use the id again."""
        if self.in_flight.get(context._request_id) is context:
            del self.in_flight[context._request_id]
            self.answered.add(context)
        return 0

    # ---- answers ---------------------------------------------------------------------------

    cdef int answer(self, Method method, uint32_t request_id, object value) except -1:
        """The one end of a request whose handler returned `value` without a context."""
        if request_id == 0 or self.closed:
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
            else:
                # Only `none` methods are left, which a parent calls with request id 0.
                return 0
        except Exception as error:
            return self.answer_error(method, request_id, error)
        return self.wrote()

    cdef int answer_error(self, Method method, uint32_t request_id, object error) except -1:
        """The one end of a request that failed."""
        log_failure(method.name, request_id, error)
        if request_id == 0 or self.closed:
            return 0
        cdef int flags = ERROR_FLAGS
        if method.kind == KIND_STREAM:
            flags |= PROCWIRE_FLAG_STREAM
        return self.write_error(method.id, flags, request_id, error_payload(error))

    cdef int write_error(self, int method_id, int flags, uint32_t request_id,
                         object payload) except -1:
        if request_id == 0:
            return 0
        error_codec.encode_frame(self.writer, method_id, flags, request_id, payload, True)
        return self.wrote()

    # ---- events ----------------------------------------------------------------------------

    async def emit(self, int event_id, Codec codec, data):
        """Send an event; waits while the transport has no room."""
        if self.writer.paused:
            await self.wait_writable()
        if self.closed or not self.adopted:
            raise NotConnectedError("there is no parent to send the event to")
        codec.encode_frame(self.writer, event_id, PROCWIRE_FLAG_TO_PARENT, 0, data, False)
        self.wrote()


cdef int write_ack(WorkerConnection connection, Method method, uint32_t request_id, object value,
                   bint owned) except -1:
    # An empty payload is no MessagePack value and makes the parent's send() reject.
    if value is None and method.response_codec.empty_ack:
        return connection.writer.write_frame(method.id, ACK_FLAGS, request_id, NULL, 0)
    return method.response_codec.encode_frame(
        connection.writer, method.id, ACK_FLAGS, request_id, value, owned)


cdef class Context(Owner):
    """One request, as its handler sees it.

    A handler gets it as its second parameter.  Returning, yielding and raising answer a request
    as well, so most handlers need no context.
    """

    def __init__(self, WorkerConnection connection, Method method, uint32_t request_id):
        self.connection = connection
        self._method = method
        self._request_id = request_id

    def __repr__(self):
        return f"<procwire.Context {self._method.name!r} #{self._request_id}>"

    @property
    def request_id(self):
        """The parent's number for the request; 0 when no answer is expected."""
        return self._request_id

    @property
    def method(self):
        """The name of the method that was called."""
        return self._method.name

    # ---- answering -------------------------------------------------------------------------

    async def respond(self, data):
        self.check(KIND_RESULT, "respond")
        if self.connection.writer.paused:
            await self.connection.wait_writable()
            self.check(KIND_RESULT, "respond")
        self.end_with(RESULT_FLAGS, data)

    async def ack(self, data=None):
        self.check(KIND_ACK, "ack")
        if self.connection.writer.paused:
            await self.connection.wait_writable()
            self.check(KIND_ACK, "ack")
        self.end_with(ACK_FLAGS, data)

    async def chunk(self, data):
        self.check(KIND_STREAM, "chunk")
        if self.connection.writer.paused:
            await self.connection.wait_writable()
            self.check(KIND_STREAM, "chunk")
        self.write_chunk(data)

    async def end(self):
        self.check(KIND_STREAM, "end")
        if self.connection.writer.paused:
            await self.connection.wait_writable()
            self.check(KIND_STREAM, "end")
        self.end_with(STREAM_END_FLAGS, None)

    async def error(self, error):
        self.check(-1, "error")
        if self.connection.writer.paused:
            await self.connection.wait_writable()
            self.check(-1, "error")
        self.end_with(ERROR_FLAGS, error)

    cdef int check(self, int kind, str verb) except -1:
        """Whether this kind of answer may be sent now."""
        cdef int own = self._method.kind
        if kind != -1 and own != kind:
            raise ProtocolError(f"{verb}() cannot answer {self._method.name!r}, "
                                f"whose response is {KIND_NAMES[own]!r}")
        if self.aborted:
            raise ResponseAlreadySentError(
                f"the request #{self._request_id} to {self._method.name!r} was aborted")
        if self.ended:
            raise ResponseAlreadySentError(
                f"the request #{self._request_id} to {self._method.name!r} has been answered")
        return 0

    cdef int end_with(self, int flags, object value) except -1:
        """Send the end of the request; it is marked when it has been encoded."""
        cdef WorkerConnection connection = self.connection
        if self._request_id:
            if flags == STREAM_END_FLAGS:
                connection.writer.write_frame(
                    self._method.id, flags, self._request_id, NULL, 0)
            elif flags == ACK_FLAGS:
                write_ack(connection, self._method, self._request_id, value, False)
            elif flags == ERROR_FLAGS:
                if self._method.kind == KIND_STREAM:
                    flags |= PROCWIRE_FLAG_STREAM
                connection.write_error(
                    self._method.id, flags, self._request_id, error_payload(value))
            else:
                self._method.response_codec.encode_frame(
                    connection.writer, self._method.id, flags, self._request_id, value, False)
        self.ended = True
        if self.registered:
            connection.free_id(self)
        connection.wrote()
        return 0

    cdef int write_chunk(self, object value) except -1:
        if self._request_id:
            self._method.response_codec.encode_frame(
                self.connection.writer, self._method.id, CHUNK_FLAGS, self._request_id, value,
                False)
            self.connection.wrote()
        return 0

    # ---- how the handler ended -------------------------------------------------------------

    cdef int finished(self, object result) except -1:
        self.connection.unregister(self)
        if self.aborted:
            return 0
        if self.ended:
            if result is not None:
                logger.warning(
                    "%r returned a value for request #%d, which it had answered before: "
                    "the value is discarded", self._method.name, self._request_id)
            return 0
        self.ended = True
        return self.connection.answer(self._method, self._request_id, result)

    cdef int failed(self, object error) except -1:
        self.connection.unregister(self)
        if self.aborted:
            if not isinstance(error, (CancelledError, ResponseAlreadySentError, GeneratorExit)):
                log_failure(self._method.name, self._request_id, error)
            return 0
        if self.ended:
            log_failure(self._method.name, self._request_id, error)
            return 0
        self.ended = True
        return self.connection.answer_error(self._method, self._request_id, error)

    def thread_ended(self, result, error):
        """A thread's handler has ended; called on the loop."""
        if error is not None:
            self.failed(error)
        elif isawaitable(result):
            # A plain function may hand out a coroutine: it is awaited on the loop.
            self.task = self.connection.stage.run(await_it(result), self)
        else:
            self.finished(result)

    # ---- abort -----------------------------------------------------------------------------

    cdef int abort(self) except -1:
        """Nothing is sent for this request from now on; the handler is told."""
        if self.aborted:
            return 0
        self.aborted = True
        self.connection.free_id(self)
        if self.task is not None:
            self.task.cancel()
        if self.abort_future is not None and not self.abort_future.done():
            self.abort_future.set_result(None)
        callbacks, self.abort_callbacks = self.abort_callbacks, None
        for callback in callbacks or ():
            self.call_back(callback)
        return 0

    def on_abort(self, callback):
        if self.aborted:
            self.call_back(callback)
        elif self.abort_callbacks is None:
            self.abort_callbacks = [callback]
        else:
            self.abort_callbacks.append(callback)

    def call_back(self, callback):
        try:
            callback()
        except Exception:
            logger.exception("an abort callback of %r raised", self._method.name)

    async def wait_aborted(self):
        if self.aborted:
            return
        if self.abort_future is None:
            self.abort_future = self.connection.loop.create_future()
        await asyncio.shield(self.abort_future)


async def await_it(awaitable):
    return await awaitable


async def stream_async(Context context, source):
    """Send what an async iterator yields, then close it whatever happened."""
    cdef int sent = 0
    try:
        async for item in source:
            if context.connection.writer.paused:
                await context.connection.wait_writable()
            context.check(KIND_STREAM, "yield")
            context.write_chunk(item)
            sent += 1
            if sent == CHUNKS_PER_TURN:
                sent = 0
                await sleep(0)
    finally:
        await source.aclose()


async def stream_sync(Context context, source):
    """Send what a generator on the loop yields, then close it whatever happened."""
    cdef int sent = 0
    try:
        for item in source:
            if context.connection.writer.paused:
                await context.connection.wait_writable()
            context.check(KIND_STREAM, "yield")
            context.write_chunk(item)
            sent += 1
            if sent == CHUNKS_PER_TURN:
                sent = 0
                await sleep(0)
    finally:
        source.close()
