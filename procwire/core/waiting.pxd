# Requests that have been read and not begun.

from libc.stdint cimport uint32_t


cdef class Waiting(Expirable):
    cdef WorkerConnection connection
    cdef Method method
    cdef uint32_t request_id
    cdef bytes payload
    # None when its method has no time limit that runs while it waits.
    cdef Deadline deadline
    # The collections.OrderedDict that it waits in, as a key.
    cdef object queue


cdef class WaitingRoom:
    # collections.OrderedDict of those that wait for the connection's limits, in order.  Those that
    # wait for their method's are in the method's own.
    cdef object queue
    # collections.deque of methods that have requests waiting and are not full any more.
    cdef object runnable
    # Those that are owed an answer, so that an abort finds them.
    cdef dict by_id
    cdef Py_ssize_t count
    # What they hold, in bytes.
    cdef Py_ssize_t size

    cdef int add(self, Waiting waiting, bint for_connection) except -1
    cdef Waiting next(self)
    cdef int remove(self, Waiting waiting) except -1
    cdef int method_ended(self, Method method) except -1
    cdef bint has_work(self) except -1
    cdef int clear(self, list methods) except -1
