# How long a method's requests may take.


cdef class Expirable:
    """What has a deadline: told once when it has passed."""

    cdef int expire(self) except -1


cdef class Deadline:
    # On the loop's clock.
    cdef double at
    # None when the deadline has passed or been discarded.
    cdef Expirable owner
    # Its neighbours, as long as it is one of those that are pending.
    cdef Deadline earlier
    cdef Deadline later
    cdef bint pending


cdef class Deadlines:
    # Seconds from add() on.
    cdef double limit
    # The ends of a list of what is pending.  Since the limit is the same for all, they are in the
    # order in which they pass.
    cdef Deadline first
    cdef Deadline last
    # asyncio.TimerHandle; None when nothing has been pending since it was called last.
    cdef object timer
    cdef object loop

    cdef Deadline add(self, object loop, Expirable owner)
    cdef int take_out(self, Deadline deadline) except -1
    cdef int discard(self, Deadline deadline) except -1
    cdef int clear(self) except -1
