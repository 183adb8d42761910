# One request, as its handler sees it, and the answers that it can send.
#
# Every answer is encoded before the request is marked as answered: what cannot be encoded leaves
# the handler a second chance, and the caller always gets an end.

from libc.stdint cimport uint32_t

import asyncio
import logging
from inspect import isawaitable

from procwire.errors import ProtocolError, ResponseAlreadySentError
from procwire.failures import log_about, log_failure

KINDS = {"result": KIND_RESULT, "stream": KIND_STREAM, "ack": KIND_ACK, "none": KIND_NONE}
KIND_NAMES = {kind: name for name, kind in KINDS.items()}

cdef int RESULT_FLAGS = PROCWIRE_FLAG_TO_PARENT | PROCWIRE_FLAG_RESPONSE
cdef int ACK_FLAGS = RESULT_FLAGS | PROCWIRE_FLAG_ACK
cdef int CHUNK_FLAGS = RESULT_FLAGS | PROCWIRE_FLAG_STREAM
cdef int STREAM_END_FLAGS = CHUNK_FLAGS | PROCWIRE_FLAG_STREAM_END
cdef int ERROR_FLAGS = RESULT_FLAGS | PROCWIRE_FLAG_ERROR


cdef int write_ack(WorkerConnection connection, Method method, uint32_t request_id, object value,
                   bint owned) except -1:
    # An empty payload is no MessagePack value and makes the parent's send() reject.
    if value is None and method.response_codec.empty_ack:
        return connection.writer.write_frame(method.id, ACK_FLAGS, request_id, NULL, 0)
    return method.response_codec.encode_frame(
        connection.writer, method.id, ACK_FLAGS, request_id, value, owned)


async def await_result(awaitable):
    return await awaitable


cdef class Context(Owner):
    """One request, as its handler sees it.

    A handler gets it as its second parameter.  Returning, yielding and raising answer a request
    as well, so most handlers need no context.
    """

    def __init__(self, WorkerConnection connection not None, Method method not None,
                 uint32_t request_id):
        self.connection = connection
        self._method = method
        self._request_id = request_id
        self.request.key = procwire_request_key_of(method.id, request_id)

    def __dealloc__(self):
        procwire_requests_remove(&self.request)

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
            await self.wait_writable(KIND_RESULT, "respond")
        self.end_with(RESULT_FLAGS, data)

    async def ack(self, data=None):
        self.check(KIND_ACK, "ack")
        if self.connection.writer.paused:
            await self.wait_writable(KIND_ACK, "ack")
        self.end_with(ACK_FLAGS, data)

    async def chunk(self, data):
        self.check(KIND_STREAM, "chunk")
        if self.connection.writer.paused:
            await self.wait_writable(KIND_STREAM, "chunk")
        self.write_chunk(data)

    async def end(self):
        self.check(KIND_STREAM, "end")
        if self.connection.writer.paused:
            await self.wait_writable(KIND_STREAM, "end")
        self.end_with(STREAM_END_FLAGS, None)

    async def error(self, error):
        self.check(-1, "error")
        if self.connection.writer.paused:
            await self.wait_writable(-1, "error")
        self.end_with(ERROR_FLAGS, error)

    async def wait_writable(self, int kind, str verb):
        """Wait for the parent to read; the request may have had its end meanwhile."""
        await self.connection.wait_writable()
        self.check(kind, verb)

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
                    self._method.id, flags, self._request_id, connection.error_value(value))
            else:
                self._method.response_codec.encode_frame(
                    connection.writer, self._method.id, flags, self._request_id, value, False)
        self.ended = True
        if flags & PROCWIRE_FLAG_ERROR:
            self._method.failed += 1
        else:
            self._method.succeeded += 1
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
            self._method.late += not self.ended
            return 0
        if self.ended:
            if result is not None:
                log_about(
                    self._method.name, self._request_id, logging.WARNING,
                    "%r returned a value for request #%d, which it had answered before: "
                    "the value is discarded", self._method.name, self._request_id)
            return 0
        self.ended = True
        return self.connection.answer(self._method, self._request_id, result)

    cdef int failed(self, object error) except -1:
        self.connection.unregister(self)
        if self.aborted:
            if isinstance(error, ResponseAlreadySentError):
                self._method.late += not self.ended
            elif not isinstance(error, (CancelledError, GeneratorExit)):
                log_failure(self._method.name, self._request_id, error)
            return 0
        if self.ended:
            self._method.failed_after_answer += 1
            log_failure(self._method.name, self._request_id, error, told=False)
            return 0
        self.ended = True
        return self.connection.answer_error(self._method, self._request_id, error)

    def thread_ended(self, result, error):
        """A thread's handler has ended; called on the loop."""
        if error is not None:
            self.failed(error)
        elif isawaitable(result):
            # A plain function may hand out a coroutine: it is awaited on the loop.
            self.task = self.connection.stage.run(await_result(result), self)
            if self.aborted:
                self.task.cancel()
        else:
            self.finished(result)

    # ---- time limit ------------------------------------------------------------------------

    cdef int set_deadline(self, Deadline deadline) except -1:
        """Take over the deadline that the request got while it waited, or get one."""
        if deadline is None:
            deadline = self._method.deadlines.add(self.connection.loop, self)
        deadline.owner = self
        self.deadline = deadline
        return 0

    cdef int drop_deadline(self) except -1:
        self._method.deadlines.discard(self.deadline)
        self.deadline = None
        return 0

    cdef int expire(self) except -1:
        """The time limit has passed: an error to whoever still waits, and the handler is told."""
        self.deadline = None
        self.connection.answer_expired(self._method, self._request_id)
        return self.abort()

    # ---- abort -----------------------------------------------------------------------------

    cdef int abort(self) except -1:
        """Nothing is sent for this request from now on; the handler is told."""
        if self.aborted:
            return 0
        self.aborted = True
        if not self.ended:
            self._method.aborted += 1
        self.connection.free_id(self)
        if self.task is not None:
            self.task.cancel()
        if self.abort_future is not None and not self.abort_future.done():
            self.abort_future.set_result(None)
        callbacks, self.abort_callbacks = self.abort_callbacks, None
        for callback in callbacks or ():
            self.call_back(callback)
        return 0

    def raise_if_aborted(self):
        if self.aborted:
            raise CancelledError(f"{self!r} was aborted")

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
        except BaseException as error:
            log_about(
                self._method.name, self._request_id, logging.ERROR,
                "an abort callback of %r raised", self._method.name, error=error)

    async def wait_aborted(self):
        if self.aborted:
            return
        if self.abort_future is None:
            self.abort_future = self.connection.loop.create_future()
        await asyncio.shield(self.abort_future)
