/*
 * The 11-byte frame header of the Procwire data plane: pack, unpack, check.
 *
 *   0      2      3           7              11
 *   +------+------+-----------+--------------+
 *   |method|flags |request id |payload length|   all integers big-endian
 *   | u16  | u8   |    u32    |     u32      |
 *   +------+------+-----------+--------------+
 *
 * This file is the one truth of the wire: the extension modules and the load
 * generator include it.  It knows no Python.
 */
#ifndef PROCWIRE_HEADER_H
#define PROCWIRE_HEADER_H

#include <stdint.h>

#define PROCWIRE_HEADER_SIZE 11

#define PROCWIRE_FLAG_TO_PARENT 0x01
#define PROCWIRE_FLAG_RESPONSE 0x02
#define PROCWIRE_FLAG_ERROR 0x04
#define PROCWIRE_FLAG_STREAM 0x08
#define PROCWIRE_FLAG_STREAM_END 0x10
#define PROCWIRE_FLAG_ACK 0x20
#define PROCWIRE_FLAGS_RESERVED 0xC0

#define PROCWIRE_METHOD_INVALID 0
#define PROCWIRE_METHOD_AUTH 0xFFFE
#define PROCWIRE_METHOD_ABORT 0xFFFF

#define PROCWIRE_DEFAULT_MAX_PAYLOAD_SIZE 0x40000000u /* 1 GiB */
#define PROCWIRE_MAX_PAYLOAD_SIZE 0x7FFFFFFFu         /* 2 GiB - 1 */

typedef struct {
    uint16_t method_id;
    uint8_t flags;
    uint32_t request_id;
    uint32_t payload_length;
} procwire_header;

/* What is wrong with a header, in the order in which it is looked for. */
typedef enum {
    PROCWIRE_HEADER_OK = 0,
    PROCWIRE_HEADER_METHOD_ZERO,
    PROCWIRE_HEADER_RESERVED_FLAGS,
    PROCWIRE_HEADER_PAYLOAD_TOO_LARGE
} procwire_header_fault;

static inline void procwire_header_pack(uint8_t out[PROCWIRE_HEADER_SIZE],
                                        const procwire_header *header) {
    out[0] = (uint8_t)(header->method_id >> 8);
    out[1] = (uint8_t)header->method_id;
    out[2] = header->flags;
    out[3] = (uint8_t)(header->request_id >> 24);
    out[4] = (uint8_t)(header->request_id >> 16);
    out[5] = (uint8_t)(header->request_id >> 8);
    out[6] = (uint8_t)header->request_id;
    out[7] = (uint8_t)(header->payload_length >> 24);
    out[8] = (uint8_t)(header->payload_length >> 16);
    out[9] = (uint8_t)(header->payload_length >> 8);
    out[10] = (uint8_t)header->payload_length;
}

static inline void procwire_header_unpack(const uint8_t in[PROCWIRE_HEADER_SIZE],
                                          procwire_header *header) {
    header->method_id = (uint16_t)((in[0] << 8) | in[1]);
    header->flags = in[2];
    header->request_id = ((uint32_t)in[3] << 24) | ((uint32_t)in[4] << 16) |
                         ((uint32_t)in[5] << 8) | (uint32_t)in[6];
    header->payload_length = ((uint32_t)in[7] << 24) | ((uint32_t)in[8] << 16) |
                             ((uint32_t)in[9] << 8) | (uint32_t)in[10];
}

/* The length is compared while it is still unsigned: a signed copy of a length
 * with the top bit set would pass any upper limit. */
static inline procwire_header_fault procwire_header_check(const procwire_header *header,
                                                          uint32_t max_payload_size) {
    if (header->method_id == PROCWIRE_METHOD_INVALID)
        return PROCWIRE_HEADER_METHOD_ZERO;
    if (header->flags & PROCWIRE_FLAGS_RESERVED)
        return PROCWIRE_HEADER_RESERVED_FLAGS;
    if (header->payload_length > max_payload_size)
        return PROCWIRE_HEADER_PAYLOAD_TOO_LARGE;
    return PROCWIRE_HEADER_OK;
}

#endif /* PROCWIRE_HEADER_H */
