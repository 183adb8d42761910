# One request, as its handler sees it.

from libc.stdint cimport uint32_t


cdef enum ResponseKind:
    KIND_RESULT
    KIND_STREAM
    KIND_ACK
    KIND_NONE


cdef class Context(Owner):
    cdef WorkerConnection connection
    cdef Method _method
    cdef uint32_t _request_id
    # The one end of the request has been sent, or must not be any more.
    cdef bint ended
    cdef readonly bint aborted
    # The connection has this context among those whose handlers have not ended.
    cdef bint registered
    # Bytes of its payload, as long as it is there.
    cdef Py_ssize_t request_size
    # asyncio.Task of the handler, or concurrent.futures.Future of a thread's.
    cdef object task
    cdef list abort_callbacks
    # asyncio.Future that wait_aborted() waits for.
    cdef object abort_future
    # None when there is no time limit, or the request has had its end.
    cdef Deadline deadline

    cdef int check(self, int kind, str verb) except -1
    cdef int end_with(self, int flags, object value) except -1
    cdef int write_chunk(self, object value) except -1
    cdef int abort(self) except -1
    cdef int set_deadline(self, Deadline deadline) except -1
    cdef int drop_deadline(self) except -1
