# The MessagePack codec.



cdef class MsgpackCodec(Codec):
    # msgpack.Packer, reused; its hook can run user code, so it is never entered twice.
    cdef object _packer
    cdef bint _packing

    cdef bytes pack(self, object value)
    cdef object unpack(self, const char *data, Py_ssize_t length)
