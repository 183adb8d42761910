# What ties a pool process to its worker.

cdef extern from "procwire_lifeline.h" nogil:
    int procwire_lifeline_hold(int descriptor)


def hold_lifeline(int descriptor):
    """End this process when the other end of a pipe is closed, whatever Python is at."""
    cdef int error = procwire_lifeline_hold(descriptor)
    if error:
        raise OSError(error, "the lifeline's thread cannot be started")
