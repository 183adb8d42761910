# Codecs for handlers whose annotations say more than the codec does; procwire.typed makes them.
#
# The usual way is one call into the library that decodes into types.  All that is between it and
# the socket is here: the payload as an object of its own, since values may be views of it, and
# extensions in terms that the library knows.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t


cdef bytes without_extensions(bytes payload):
    cdef const uint8_t *data = <const uint8_t *>PyBytes_AS_STRING(payload)
    cdef size_t size = procwire_extensions_size(data, PyBytes_GET_SIZE(payload))
    cdef bytes replaced
    if size == 0:
        return payload
    replaced = PyBytes_FromStringAndSize(NULL, size)
    procwire_extensions_replace(
        data, PyBytes_GET_SIZE(payload), <uint8_t *>PyBytes_AS_STRING(replaced))
    return replaced


def replace_extensions(bytes payload not None):
    """The payload with Buffers as bin, and Dates as timestamps or nil."""
    return without_extensions(payload)


cdef class TypedCodec(Codec):
    """Decodes requests into what their handler's annotation says."""

    def __init__(self, str name, decode, recover, *, bint replaces_extensions,
                 bint runs_user_code):
        self.name = name
        self._decode = decode
        self._recover = recover
        self._replaces_extensions = replaces_extensions
        self.runs_user_code = runs_user_code

    cdef object decode_payload(self, FrameReader reader):
        return self.decode_bytes(reader.take_payload())

    cdef object decode_bytes(self, bytes payload):
        failure = None
        if self._replaces_extensions:
            payload = without_extensions(payload)
        try:
            return self._decode(payload)
        except Exception as error:
            failure = error
        return self._recover(payload, failure)

    def decode(self, payload):
        """The value of one payload.

        Raises:
            ValidationError: it is not what the annotation says.
            CodecError: the payload is not exactly one MessagePack value.
        """
        return self.decode_bytes(bytes(payload))

    def encode(self, value):
        raise TypeError("a typed codec decodes requests, it encodes nothing")


cdef class CheckedCodec(Codec):
    """Encodes answers that are looked at before they are sent."""

    def __init__(self, MsgpackCodec codec not None, check):
        self.name = codec.name
        self._codec = codec
        self._check = check
        self.runs_user_code = True

    cdef int encode_frame(self, FrameWriter writer, int method_id, int flags,
                          uint32_t request_id, object value, bint owned) except -1:
        return write_bytes_like(
            writer, method_id, flags, request_id, self.encode(value), True)

    def encode(self, value):
        """Pack one value.

        Raises:
            CodecError: it cannot be packed, or is not what was promised.
        """
        packed = self._codec.pack(value)
        self._check(packed)
        return packed

    def decode(self, payload):
        raise TypeError("a checked codec encodes answers, it decodes nothing")
