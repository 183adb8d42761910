# The MessagePack codec.


cdef class StandIns:
    # procwire.outgoing.Outgoing
    cdef object outgoing
    # How many levels of nesting are left to any of them.
    cdef int room
    # There was one, and other code may have run meanwhile.
    cdef bint called


cdef class MsgpackCodec(Codec):
    # msgpack.Packer, reused; its hook can run user code, so it is never entered twice.
    cdef object _packer
    cdef StandIns _stand_ins
    cdef bint _packing
    # procwire.outgoing.Outgoing, with this codec's policies; and whether it is to see every value.
    cdef object _outgoing
    cdef bint _walks_all

    cdef bytes pack(self, object value)
    cdef bytes pack_with(self, object packer, StandIns stand_ins, object value)
    cdef object unpack(self, const char *data, Py_ssize_t length)
