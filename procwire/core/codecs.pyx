# A codec turns a payload into a value and a value into a payload.
#
# On the data plane a codec reads from the frame reader and writes to the frame writer, so that
# the bytes are not copied once more in between.  encode() and decode() are the same thing for
# everybody else.

from cpython.buffer cimport (PyBUF_CONTIG_RO, PyBUF_FORMAT, PyBuffer_Release,
                             PyObject_CheckBuffer, PyObject_GetBuffer)
from cpython.bytes cimport (PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize,
                            PyBytes_GET_SIZE)

from libc.string cimport strchr

from procwire.errors import CodecError


cdef class Codec:
    """The base of the built-in codecs."""

    cdef object decode_payload(self, FrameReader reader):
        """The value of the frame that `reader` found last."""
        raise NotImplementedError

    cdef object decode_bytes(self, bytes payload):
        """The value of a payload that had to wait."""
        raise NotImplementedError

    cdef int encode_frame(self, FrameWriter writer, int method_id, int flags,
                          uint32_t request_id, object value, bint owned) except -1:
        """Write `value` as a frame.  `owned` says that nobody will change it from now on."""
        raise NotImplementedError

    def __repr__(self):
        return f"<procwire codec {self.name!r}>"


cdef class RawCodec(Codec):
    """Payloads as they are: ``bytes`` in, any bytes-like object out."""

    def __cinit__(self):
        self.name = "raw"
        self.empty_ack = True

    cdef object decode_payload(self, FrameReader reader):
        return reader.take_payload()

    cdef object decode_bytes(self, bytes payload):
        return payload

    cdef int encode_frame(self, FrameWriter writer, int method_id, int flags,
                          uint32_t request_id, object value, bint owned) except -1:
        return write_bytes_like(writer, method_id, flags, request_id, value, owned)

    def encode(self, value):
        """The bytes that are sent.

        Raises:
            CodecError: it is not bytes-like, not contiguous, or an array of Python objects.
        """
        cdef Py_buffer view
        if PyBytes_CheckExact(value):
            return value
        view_bytes_like(value, &view)
        try:
            return bytes_of(&view)
        finally:
            PyBuffer_Release(&view)

    def decode(self, payload):
        return bytes(payload)


cdef class ForeignCodec(Codec):
    """A codec of the user's: any object with ``name``, ``encode`` and ``decode``."""

    def __cinit__(self, codec):
        self.wrapped = codec
        self.name = codec.name
        self.empty_ack = True
        self.runs_user_code = True

    cdef object decode_payload(self, FrameReader reader):
        return self.wrapped.decode(reader.take_payload())

    cdef object decode_bytes(self, bytes payload):
        return self.wrapped.decode(payload)

    cdef int encode_frame(self, FrameWriter writer, int method_id, int flags,
                          uint32_t request_id, object value, bint owned) except -1:
        encoded = self.wrapped.encode(value)
        return write_bytes_like(
            writer, method_id, flags, request_id, encoded,
            # An encoder may have a buffer that it uses again.
            owned if encoded is value else is_read_only(encoded))


cdef bint is_read_only(object payload) except -1:
    cdef Py_buffer view
    if not PyObject_CheckBuffer(payload):
        return False
    try:
        PyObject_GetBuffer(payload, &view, PyBUF_CONTIG_RO)
    except (BufferError, ValueError):
        return False
    read_only = view.readonly
    PyBuffer_Release(&view)
    return read_only


cdef object not_bytes_like(object value):
    hint = ": encode it first" if isinstance(value, str) else ""
    return CodecError(
        f"a raw payload is a bytes-like object, got {type(value).__qualname__}{hint}")


cdef int write_bytes_like(FrameWriter writer, int method_id, int flags, uint32_t request_id,
                          object payload, bint owned) except -1:
    cdef Py_buffer view
    if PyBytes_CheckExact(payload):
        if PyBytes_GET_SIZE(payload) <= LARGE_PAYLOAD:
            return writer.write_frame(method_id, flags, request_id,
                                      PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))
        return writer.write_large_frame(method_id, flags, request_id, payload)
    view_bytes_like(payload, &view)
    try:
        if view.len <= LARGE_PAYLOAD:
            return writer.write_frame(
                method_id, flags, request_id, <const char *>view.buf, view.len)
        if not owned:
            # The transport may hold the payload long after this call; whoever can still change it
            # would change what the parent receives.
            payload = bytes_of(&view)
    finally:
        PyBuffer_Release(&view)
    return writer.write_large_frame(method_id, flags, request_id, payload)


cdef int view_bytes_like(object payload, Py_buffer *view) except -1:
    if not PyObject_CheckBuffer(payload):
        raise not_bytes_like(payload)
    try:
        PyObject_GetBuffer(payload, view, PyBUF_CONTIG_RO | PyBUF_FORMAT)
    except (BufferError, ValueError) as error:
        # Some exporters, NumPy's arrays among them, say so with a ValueError.
        raise CodecError(f"a raw payload must be contiguous in memory: {error}") from error
    if view.format != NULL and strchr(view.format, b"O") != NULL:
        PyBuffer_Release(view)
        # Its bytes are addresses in this process.
        raise CodecError("a raw payload cannot be an array of Python objects")
    return 0


cdef bytes bytes_of(Py_buffer *view):
    # Of a number with a buffer, as NumPy's are, bytes() would make as many zeros as it says.
    return PyBytes_FromStringAndSize(<const char *>view.buf, view.len)
