# How long a method's requests may take.


cdef class Expirable:
    """What has a deadline: told once when it has passed."""

    cdef int expire(self) except -1


cdef class Deadline:
    # On the loop's clock.
    cdef double at
    # None when the deadline has passed or been discarded.
    cdef Expirable owner


cdef class Deadlines:
    # Seconds from add() on.
    cdef double limit
    # collections.OrderedDict with the deadlines as keys.  Since the limit is the same for all, they
    # are in the order in which they pass.
    cdef object pending
    # asyncio.TimerHandle; None when nothing has been pending since it was called last.
    cdef object timer
    cdef object loop

    cdef Deadline add(self, object loop, Expirable owner)
    cdef int discard(self, Deadline deadline) except -1
    cdef int clear(self) except -1
