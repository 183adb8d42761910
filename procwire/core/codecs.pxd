# What a codec is to the data plane, and the codecs that need no library.

from libc.stdint cimport uint32_t


cdef class Codec:
    cdef readonly str name
    # An ack without a value is an empty payload; MessagePack sends its nil.
    cdef bint empty_ack
    # encode() or decode() is the user's, or calls what is: it must not find itself in the
    # shared task.
    cdef bint runs_user_code

    cdef object decode_payload(self, FrameReader reader)
    cdef object decode_bytes(self, bytes payload)
    cdef int encode_frame(self, FrameWriter writer, int method_id, int flags,
                          uint32_t request_id, object value, bint owned) except -1


cdef class RawCodec(Codec):
    pass


cdef class ForeignCodec(Codec):
    # The user's object, with encode() and decode().
    cdef readonly object wrapped


cdef int write_bytes_like(FrameWriter writer, int method_id, int flags, uint32_t request_id,
                          object payload, bint owned) except -1
