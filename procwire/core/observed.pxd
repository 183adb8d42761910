# A worker's connection whose frames somebody watches; connections that nobody watches are of
# another class, and pay nothing.

from libc.stdint cimport uint32_t


cdef class ObservedWriter(FrameWriter):
    # Called with each frame; see ObservedWorkerConnection.
    cdef object observer


cdef class ObservedWorkerConnection(WorkerConnection):
    cdef object observer
