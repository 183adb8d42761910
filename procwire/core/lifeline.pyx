# What ties a pool process to its worker.

from libc.stdint cimport intptr_t


cdef extern from "procwire_lifeline.h" nogil:
    int procwire_lifeline_hold(intptr_t sentinel)


def hold_lifeline(intptr_t sentinel):
    """End this process with its worker, whatever Python is at.

    `sentinel` is what `multiprocessing` calls so: a pipe that the worker holds open, or on Windows
    the worker's process.
    """
    cdef int error = procwire_lifeline_hold(sentinel)
    if error:
        raise OSError(error, "the lifeline's thread cannot be started")
