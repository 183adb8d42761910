# The 11-byte header: what csrc/ says about it.

from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef extern from "procwire_header.h" nogil:
    const int PROCWIRE_HEADER_SIZE
    const int PROCWIRE_FLAG_TO_PARENT
    const int PROCWIRE_FLAG_RESPONSE
    const int PROCWIRE_FLAG_ERROR
    const int PROCWIRE_FLAG_STREAM
    const int PROCWIRE_FLAG_STREAM_END
    const int PROCWIRE_FLAG_ACK
    const int PROCWIRE_FLAGS_RESERVED
    const int PROCWIRE_METHOD_AUTH
    const int PROCWIRE_METHOD_ABORT
    const uint32_t PROCWIRE_DEFAULT_MAX_PAYLOAD_SIZE
    const uint32_t PROCWIRE_MAX_PAYLOAD_SIZE

    ctypedef struct procwire_header:
        uint16_t method_id
        uint8_t flags
        uint32_t request_id
        uint32_t payload_length

    ctypedef enum procwire_header_fault:
        PROCWIRE_HEADER_OK
        PROCWIRE_HEADER_METHOD_ZERO
        PROCWIRE_HEADER_RESERVED_FLAGS
        PROCWIRE_HEADER_PAYLOAD_TOO_LARGE

    void procwire_header_pack(uint8_t *out, const procwire_header *header)
    void procwire_header_unpack(const uint8_t *data, procwire_header *header)
    procwire_header_fault procwire_header_check(
        const procwire_header *header, uint32_t max_payload_size)

cdef enum:
    # A payload up to this size is waited for in the read buffer, where it must fit beside a
    # tail, and copied into the block that is sent.  A larger one is moved without a copy.
    LARGE_PAYLOAD = 65536
