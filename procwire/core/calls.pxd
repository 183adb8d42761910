# The parent's role: requests out, answers and events in.

from libc.stdint cimport uint32_t


cdef class RemoteMethod:
    cdef readonly str name
    cdef readonly int id
    cdef ResponseKind kind
    cdef readonly bint streams
    cdef Codec request_codec
    cdef Codec response_codec
    # Whether a worker is told that nobody waits any more.
    cdef readonly bint cancellable
    # Seconds for which a result or an ack is waited for; None where there is no time limit.
    cdef readonly object timeout
    # Of requests that wait for either.
    cdef Deadlines deadlines


cdef class Call(Expirable):
    cdef ParentConnection connection
    cdef readonly RemoteMethod method
    cdef uint32_t request_id
    # None when there is no time limit, or the call has had its end.
    cdef Deadline deadline
    cdef bint ended

    cdef int take_answer(self, int flags) except -1
    cdef int fail(self, object error) except -1


cdef class ResultCall(Call):
    # asyncio.Future of the answer.
    cdef readonly object future


cdef class StreamCall(Call):
    # collections.deque of chunks that nobody has taken, and of what each counts in bytes.
    cdef readonly object chunks
    cdef object sizes
    # The sum of those.
    cdef Py_ssize_t size
    # No further chunk comes; and why, unless the worker has ended the stream.
    cdef readonly bint finished
    cdef readonly object error
    # asyncio.Future that wait() has returned.
    cdef object waiter
    # The connection counts this stream among those whose consumers are behind.
    cdef bint lagging
    # It counts it among those whose consumers wait for a chunk.
    cdef bint hungry

    cdef int wake(self) except -1
    cdef int feed(self) except -1
    cdef int keep(self, object chunk, Py_ssize_t size) except -1
    cdef int catch_up(self) except -1


cdef class EventReceiver:
    cdef Codec codec
    # Called with the data of each event; it raises nothing.
    cdef object deliver


cdef class ParentConnection(Connection):
    # procwire.parent.link.Link: told when the connection is gone.
    cdef object link
    # What the worker wants to see first, or None.
    cdef bytes token
    # All RemoteMethods, whose timers end with the connection.
    cdef list methods
    # EventReceivers by event id.
    cdef dict events
    # contextvars.Context that they deliver in: that of whoever has started the worker.
    cdef object variables
    # Calls that have not had their end, by request id; and how many of them are no streams.
    cdef dict calls
    cdef Py_ssize_t results_owed
    cdef uint32_t last_request_id
    # Streams whose consumers are behind, those whose consumers wait for a chunk, and what all
    # streams keep for theirs, in bytes.
    cdef Py_ssize_t lagging
    cdef Py_ssize_t hungry
    cdef Py_ssize_t kept
    # What was wrong with the worker's frames, once it was.
    cdef object fault
    # The call whose answer is waited for without a turn of the loop, while it is.
    cdef Call awaited
    # The task that has made the latest call which was alone; never looked into, only compared.
    cdef void *latest_caller
    # Calls that have got their answers in this batch, and those answers.
    cdef list answered
    # While those are woken: the loop's own call_soon(), the future that gets its answer, and the
    # callbacks that were caught.
    cdef object call_soon
    cdef object waking
    cdef list wakeups
    # Whether they are worth it: on uvloop a callback costs little.
    cdef bint wakes_together
    # How many calls in a row were answered without a turn of the loop.
    cdef int turns_saved

    cdef uint32_t free_request_id(self) except 0
    cdef int write_request(self, RemoteMethod method, uint32_t request_id, object data) except -1
    cdef int enter(self, Call call, RemoteMethod method, uint32_t request_id) except -1
    cdef int send_alone(self, Call call) except -1
    cdef bint end_call(self, Call call) except -1
    cdef int give_up(self, Call call) except -1
    cdef int event_received(self) except -1
    cdef int balance(self) except -1
    cdef int wake_together(self, list answered) except -1
