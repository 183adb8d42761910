#include "payload.h"

#include <string.h>

/* Every number below is written in its shortest form, as all encoders do that
 * the peers use: only then is an honest echo identical byte for byte. */

static uint8_t *put_u16(uint8_t *at, uint32_t value) {
    *at++ = (uint8_t)(value >> 8);
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put_u32(uint8_t *at, uint32_t value) {
    return put_u16(put_u16(at, value >> 16), value & 0xffff);
}

static uint8_t *put_uint(uint8_t *at, uint32_t value) {
    if (value < 0x80) {
        *at++ = (uint8_t)value;
    } else if (value < 0x100) {
        *at++ = 0xcc;
        *at++ = (uint8_t)value;
    } else if (value < 0x10000) {
        *at++ = 0xcd;
        at = put_u16(at, value);
    } else {
        *at++ = 0xce;
        at = put_u32(at, value);
    }
    return at;
}

static uint8_t *put_short_key(uint8_t *at, char key) {
    *at++ = 0xa1;
    *at++ = (uint8_t)key;
    return at;
}

static uint8_t *put_key(uint8_t *at, const char *key) {
    size_t length = strlen(key);
    *at++ = (uint8_t)(0xa0 | length);
    memcpy(at, key, length);
    return at + length;
}

static uint8_t *put_string_header(uint8_t *at, uint32_t length) {
    if (length < 32) {
        *at++ = (uint8_t)(0xa0 | length);
    } else if (length < 0x100) {
        *at++ = 0xd9;
        *at++ = (uint8_t)length;
    } else if (length < 0x10000) {
        *at++ = 0xda;
        at = put_u16(at, length);
    } else {
        *at++ = 0xdb;
        at = put_u32(at, length);
    }
    return at;
}

/* The header of the bin value that fills `total` bytes, itself included. */
static uint8_t *put_bin_header(uint8_t *at, uint32_t total) {
    if (total < 2 + 0x100) {
        *at++ = 0xc4;
        *at++ = (uint8_t)(total - 2);
    } else if (total < 3 + 0x10000) {
        *at++ = 0xc5;
        at = put_u16(at, total - 3);
    } else {
        *at++ = 0xc6;
        at = put_u32(at, total - 5);
    }
    return at;
}

static bool bin_fits(uint32_t total) {
    return total >= 2 && total != 2 + 0x100 && total != 3 + 0x10000 && total != 4 + 0x10000;
}

bool payload_init(payload_spec *spec, payload_kind kind, uint32_t size) {
    uint32_t noise = 0x9e3779b9u;
    spec->kind = kind;
    spec->size = size;
    for (uint32_t i = 0; i < PAYLOAD_PERIOD; i++) {
        noise = noise * 1664525u + 1013904223u;
        uint8_t byte = (uint8_t)(noise >> 24);
        if (kind == PAYLOAD_MSGPACK)
            byte = (uint8_t)('a' + byte % 26);
        else if (kind == PAYLOAD_CHUNK || kind == PAYLOAD_RAW_CHUNK)
            byte = 'x'; /* the workers make these themselves */
        spec->body[i] = spec->body[i + PAYLOAD_PERIOD] = byte;
    }
    return kind != PAYLOAD_BIN || bin_fits(size);
}

static uint8_t *put_stamp(uint8_t *at, uint32_t number, uint32_t room) {
    uint8_t stamp[4];
    uint32_t length = room < 4 ? room : 4;
    put_u32(stamp, number);
    /* The low bytes are the ones that differ between neighbours. */
    memcpy(at, stamp + 4 - length, length);
    return at + length;
}

void payload_head_for(const payload_spec *spec, uint32_t number, payload_head *head) {
    uint8_t *start = head->bytes, *at = start;
    uint32_t body = spec->size;
    switch (spec->kind) {
    case PAYLOAD_RAW:
    case PAYLOAD_RAW_CHUNK:
        at = put_stamp(at, number, spec->size);
        body = spec->size - (uint32_t)(at - start);
        break;
    case PAYLOAD_BIN:
        at = put_bin_header(at, spec->size);
        at = put_stamp(at, number, spec->size - (uint32_t)(at - start));
        body = spec->size - (uint32_t)(at - start);
        break;
    case PAYLOAD_MSGPACK: {
        *at++ = 0x82;
        at = put_short_key(at, 'n');
        /* Always four bytes wide, so that the head keeps its length; a plain
         * small int for every language. */
        at = put_uint(at, 0x01000000u + (number & 0x00ffffffu));
        at = put_short_key(at, 's');
        at = put_string_header(at, spec->size);
        uint32_t stamped = spec->size < 4 ? spec->size : 4;
        for (uint32_t i = 0; i < stamped; i++)
            *at++ = (uint8_t)('A' + ((number >> (4 * i)) & 0xf));
        body = spec->size - stamped;
        break;
    }
    case PAYLOAD_CHUNK:
        *at++ = 0x82;
        at = put_short_key(at, 'i');
        at = put_uint(at, number);
        at = put_short_key(at, 's');
        at = put_string_header(at, spec->size);
        break;
    }
    head->length = (uint32_t)(at - start);
    head->payload_length = head->length + body;
}

bool payload_matches(const payload_spec *spec, const payload_head *head, uint32_t offset,
                     const uint8_t *bytes, size_t length) {
    if (offset < head->length) {
        size_t part = head->length - offset;
        if (part > length)
            part = length;
        if (memcmp(head->bytes + offset, bytes, part) != 0)
            return false;
        offset += (uint32_t)part;
        bytes += part;
        length -= part;
    }
    while (length > 0) {
        size_t part = length < PAYLOAD_PERIOD ? length : PAYLOAD_PERIOD;
        if (memcmp(payload_body_at(spec, offset - head->length), bytes, part) != 0)
            return false;
        offset += (uint32_t)part;
        bytes += part;
        length -= part;
    }
    return true;
}

uint32_t payload_stream_request(uint8_t out[PAYLOAD_HEAD_MAX], uint32_t count,
                                const uint32_t *size) {
    uint8_t *at = out;
    *at++ = size ? 0x82 : 0x81;
    at = put_uint(put_key(at, "count"), count);
    if (size)
        at = put_uint(put_key(at, "size"), *size);
    return (uint32_t)(at - out);
}
