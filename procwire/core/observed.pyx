# For PROCWIRE_DEBUG and PROCWIRE_RECORD: each frame is shown to an observer before it is dispatched
# or after it has been written.
#
# A payload is lent, as it lies in a buffer of the reader, or of whoever writes.

from cpython.buffer cimport PyBUF_READ


cdef int show(object observer, bint to_parent, int method_id, int flags, uint32_t request_id,
              const char *payload, Py_ssize_t length) except -1:
    view = PyMemoryView_FromMemory(<char *>payload, length, PyBUF_READ) if length else b""
    observer(to_parent, method_id, flags, request_id, view)
    if length:
        view.release()
    return 0


cdef class ObservedWriter(FrameWriter):
    """A writer that shows the frames which it has taken."""

    cdef int write_frame(self, int method_id, int flags, uint32_t request_id,
                         const char *payload, Py_ssize_t length) except -1:
        FrameWriter.write_frame(self, method_id, flags, request_id, payload, length)
        return show(self.observer, True, method_id, flags, request_id, payload, length)

    cdef int write_large_frame(self, int method_id, int flags, uint32_t request_id,
                               object payload) except -1:
        FrameWriter.write_large_frame(self, method_id, flags, request_id, payload)
        with memoryview(payload).cast("B") as view:
            self.observer(True, method_id, flags, request_id, view)
        return 0


cdef class ObservedWorkerConnection(WorkerConnection):
    """A worker's connection that shows its frames, once the parent has been adopted.

    The observer is called with whether the frame goes to the parent, the method id, the flags, the
    request id and the payload, which it must not keep.  It must raise nothing.
    """

    def __init__(self, *arguments, observer, max_payload_size, **options):
        WorkerConnection.__init__(self, *arguments, max_payload_size=max_payload_size, **options)
        self.observer = observer
        self.writer = ObservedWriter(max_payload_size)
        (<ObservedWriter>self.writer).observer = observer

    cdef int frame_received(self) except -1:
        cdef int method_id = self.reader.header.method_id
        # A token is nobody's business, not even the one of a frame that comes too late.
        if self.adopted and method_id != PROCWIRE_METHOD_AUTH:
            show(self.observer, False, method_id, self.reader.header.flags,
                 self.reader.header.request_id, self.reader.payload,
                 self.reader.header.payload_length)
        return WorkerConnection.frame_received(self)
