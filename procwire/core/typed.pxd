# Codecs for handlers whose annotations say more than the codec does.

from libc.stdint cimport uint8_t


cdef extern from "procwire_extensions.h" nogil:
    size_t procwire_extensions_size(const uint8_t *payload, size_t size)
    void procwire_extensions_replace(const uint8_t *payload, size_t size, uint8_t *result)


cdef class TypedCodec(Codec):
    # Makes the value that the annotation asks for, of the bytes; strict, and the usual way.
    cdef object _decode
    # Called with the payload and the exception when that has failed: returns the value or raises.
    cdef object _recover
    # The type has places for what travels as an extension.
    cdef bint _replaces_extensions


cdef class CheckedCodec(Codec):
    # What encodes.
    cdef MsgpackCodec _codec
    # Called with each payload before it is sent; raises when it is not what was promised.
    cdef object _check
