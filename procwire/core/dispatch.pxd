# The worker's role: requests in, handlers run, answers out.

from libc.stdint cimport uint32_t, uint64_t


cdef enum Form:
    # async def
    FORM_COROUTINE
    # async def with yield
    FORM_ASYNC_GENERATOR
    # def, on the loop
    FORM_INLINE
    # def with yield, on the loop
    FORM_INLINE_GENERATOR
    # def, in a thread or wherever the method's runner has it
    FORM_THREAD
    # def with yield, in a thread
    FORM_THREAD_GENERATOR


cdef class Method:
    cdef readonly str name
    cdef readonly int id
    cdef ResponseKind kind
    cdef Form form
    cdef readonly object function
    cdef readonly bint takes_context
    cdef Codec request_codec
    cdef Codec response_codec
    # One of the codecs runs code of the user's.
    cdef bint runs_user_codec
    # What calls a function that does not run on the loop; None is the connection's threads.
    cdef public object runner
    # Of requests that are owed an answer, or of handlers; None where there is no time limit.
    cdef Deadlines deadlines
    # The time that a request has waited is part of it.
    cdef bint deadline_from_arrival
    # What the caller is told then.
    cdef str expired
    # How many of its handlers may be under way, or 0 for any number, and how many are.
    cdef Py_ssize_t max_concurrency
    cdef Py_ssize_t under_way
    # collections.OrderedDict of its requests that wait for that, as keys; and whether the waiting
    # room has the method among those that may go on.
    cdef object queue
    cdef bint runnable
    # For Client.stats(): each request is counted when it is read and once again at its one end.
    cdef readonly uint64_t requests
    cdef readonly uint64_t succeeded
    cdef readonly uint64_t failed
    cdef readonly uint64_t aborted
    # Of the aborted ones those whose handlers answered nevertheless.
    cdef readonly uint64_t late
    # Handlers that raised when their requests had had an answer.
    cdef readonly uint64_t failed_after_answer

    cdef bint is_full(self) noexcept


cdef class WorkerConnection(Connection):
    # Index = method id; slot 0 is None.
    cdef list methods
    # procwire.failures.error_value(), with what the client tells of an exception.
    cdef object error_value
    # What packs that: always MessagePack.
    cdef MsgpackCodec error_codec
    # procwire.threads.Threads: where plain functions run.
    cdef object threads
    # Told what happens to the connection: procwire.session.Session.
    cdef object session
    cdef Stage stage
    # procwire.authentication.Token: what a peer must prove first; None when nothing is asked.
    cdef object token
    cdef bint adopted
    # Contexts whose handlers have not ended: those that owe an answer, by request id, and
    # those that do not (any more).
    cdef dict in_flight
    cdef set answered
    # 0 until start-up is done: every request waits.
    cdef Py_ssize_t max_concurrency
    # The payload of the request that begin() has seen last, and the sum of those of the requests
    # whose contexts are above.
    cdef Py_ssize_t request_size
    cdef Py_ssize_t in_flight_bytes
    cdef Py_ssize_t max_in_flight_bytes
    # The deadline of that request, if it has got one while it waited.
    cdef Deadline request_deadline
    # Requests above these limits, or above those of their methods.
    cdef WaitingRoom waiting
    cdef bint waiting_scheduled
    # Methods that others have replaced, and that still have requests.
    cdef list former
    # asyncio.Futures of those in wait_idle(), who look again when a request has ended; None when
    # there are none.
    cdef list idle

    cdef int authenticate(self) except -1
    cdef int adopt(self) except -1
    cdef Py_ssize_t under_way(self) noexcept
    cdef bint is_full(self) except -1
    cdef int schedule_waiting(self) except -1
    cdef int begin(self, Method method, uint32_t request_id, bytes payload) except -1
    cdef int wait(self, Method method, uint32_t request_id, bint for_connection) except -1
    cdef int stop_waiting(self, Waiting waiting) except -1
    cdef int give_up_waiting(self, Waiting waiting) except -1
    cdef int start(self, Method method, uint32_t request_id, object data) except -1
    cdef int start_coroutine(self, Method method, uint32_t request_id, object coroutine,
                             Context context) except -1
    cdef int register(self, Context context) except -1
    cdef int unregister(self, Context context) except -1
    cdef bint is_busy(self, list methods) except -1
    cdef int look_for_idle(self) except -1
    cdef int free_id(self, Context context) except -1
    cdef int answer(self, Method method, uint32_t request_id, object value) except -1
    cdef int answer_expired(self, Method method, uint32_t request_id) except -1
    cdef int answer_error(self, Method method, uint32_t request_id, object error) except -1
    cdef int write_error(self, int method_id, int flags, uint32_t request_id,
                         object payload) except -1
