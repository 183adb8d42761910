# MessagePack as the Node parent speaks it.
#
# The msgpack library does the packing and unpacking.  What is here is what JavaScript and Python
# see differently: Buffer (extension 1), Date (extensions -1 and 2), and values that JavaScript
# would take without a word and change.
#
# Clean values take the fast path: one walk that only looks, then the library.  What looks wrong
# is packed slowly by procwire.outgoing, which says what is wrong and where.

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.buffer cimport (PyBUF_READ, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer)
from cpython.dict cimport PyDict_CheckExact, PyDict_Next
from cpython.list cimport PyList_CheckExact, PyList_GET_ITEM, PyList_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_GET_LENGTH
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr, memcmp


from collections import Counter, OrderedDict, defaultdict
from datetime import datetime, timedelta, timezone
from struct import Struct

from msgpack import ExtType, Packer, Timestamp, unpackb

from procwire.errors import CodecError
from procwire.outgoing import Outgoing
from procwire.policies import Policies

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        pass
    bint PyObject_TypeCheck(object obj, PyTypeObject *type)
    int PyMemoryView_Check(PyObject *obj)
    int PyLong_CheckExact(PyObject *obj)
    int PyLong_Check(PyObject *obj)
    int PyFloat_Check(PyObject *obj)
    int PyFloat_CheckExact(PyObject *obj)
    int PyBool_Check(PyObject *obj)
    int PyUnicode_Check(PyObject *obj)
    long long PyLong_AsLongLongAndOverflow(object obj, int *overflow) except? -1
    object PyObject_Vectorcall(object callable, PyObject **args, size_t nargsf, object kwnames)

# Number.MAX_SAFE_INTEGER: beyond it JavaScript's numbers lose digits.
cdef long long MAX_SAFE_INTEGER = 9007199254740991
# V8's longest string has twice as many UTF-16 code units, of which a character may need two.
cdef Py_ssize_t MAX_CLEAN_LENGTH = 536870888 // 2
# The msgpack library packs and unpacks about this many levels, with an error beyond.
cdef int MAX_DEPTH = 500

# The largest buffer that an idle packer keeps.
cdef Py_ssize_t KEPT_BUFFER_SIZE = 1024 * 1024

cdef str PROTO = "__proto__"

# An invalid JavaScript Date: extension -1 of 12 bytes, all zero.  The epoch itself has a shorter
# form, so this is no date.
cdef bytes INVALID_DATE = b"\xc7\x0c\xff" + bytes(12)
cdef const char *INVALID_DATE_BYTES = INVALID_DATE
# Bytes behind the tokens 0xCA (float 32) to 0xD3 (int 64).
cdef int[10] FIXED_SIZES = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8]
cdef object unpack_float64 = Struct(">d").unpack

cdef tuple UNPACK_KEYWORDS = ("timestamp", "strict_map_key", "unicode_errors", "ext_hook")
# timestamp=3 asks for aware datetimes.  surrogatepass lets a lone surrogate of a JavaScript
# string in; strings of other broken UTF-8 stay errors.
cdef object TIMESTAMP_AS_DATETIME = 3
cdef object STRICT_MAP_KEY = False
cdef str UNICODE_ERRORS = "surrogatepass"


cdef class MsgpackCodec(Codec):
    """One MessagePack value a payload, as ``msgpackCodec`` of ``@procwire/codecs``.

    What JavaScript would change or refuse is an error by default. The choices:

    Args:
        ints: Integers beyond ±(2**53 - 1), where JavaScript loses digits: ``"error"``, or sent as
            a ``"string"`` or as a ``"float"``, or with ``"allow"`` as they are, up to 64 bits.
        keys: Keys of mappings that are no strings or numbers: ``"error"``, or ``"string"`` for
            what JavaScript makes of them: ``null``, ``true``, ``1,2`` for a tuple.
        naive: A ``datetime`` without a time zone: ``"error"``, or taken as ``"utc"`` or as
            ``"local"`` time, or sent as a ``"string"`` in ISO 8601 without an offset.
        surrogates: Strings with lone surrogates: ``"error"``, or ``"replace"`` for U+FFFD in
            their place.
        nan: Floats that are not finite: ``"allow"``, or ``"null"`` as in JSON, or ``"error"``.
            With one of the last two every value is walked in Python, which is slow.
        arrays: NumPy arrays and ``array.array``: their ``"bytes"``, or a ``"list"`` of numbers.
        default: Called with a value of any type that has no form; what it returns is sent in its
            place, and what it raises is the error. It may be called again for the same value.

    Raises:
        ValueError: a choice is none of these.
        TypeError: ``default`` is no function.
    """

    def __cinit__(self, *, ints="error", keys="error", naive="error", surrogates="error",
                  nan="allow", arrays="bytes", default=None):
        self.name = "msgpack"
        self._outgoing = Outgoing(Policies(ints, keys, naive, surrogates, nan, arrays, default))
        self._walks_all = nan != "allow"
        self.runs_user_code = default is not None
        self._stand_ins = StandIns(self._outgoing)
        self._packer = new_packer(self._stand_ins)

    cdef object decode_payload(self, FrameReader reader):
        return self.unpack(reader.payload, reader.header.payload_length)

    cdef object decode_bytes(self, bytes payload):
        return self.unpack(PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))

    cdef int encode_frame(self, FrameWriter writer, int method_id, int flags,
                          uint32_t request_id, object value, bint owned) except -1:
        return write_bytes_like(writer, method_id, flags, request_id, self.pack(value), True)

    def encode(self, value):
        """Pack one value.

        Raises:
            CodecError: the value cannot be packed, or JavaScript would change it.
        """
        return self.pack(value)

    def decode(self, payload):
        """Unpack one value.

        Raises:
            CodecError: the payload is not exactly one MessagePack value.
        """
        cdef Py_buffer view
        PyObject_GetBuffer(payload, &view, PyBUF_SIMPLE)
        try:
            return self.unpack(<const char *>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    cdef bytes pack(self, object value):
        cdef StandIns stand_ins
        if self._packing:
            # The hook of the call under way has come back here, or another thread has.
            stand_ins = StandIns(self._outgoing)
            return self.pack_with(new_packer(stand_ins), stand_ins, value)
        self._packing = True
        try:
            packed = self.pack_with(self._packer, self._stand_ins, value)
            if PyBytes_GET_SIZE(packed) > KEPT_BUFFER_SIZE:
                # A packer never gives back what its largest value needed.
                self._packer = new_packer(self._stand_ins)
            return packed
        finally:
            self._packing = False

    cdef bytes pack_with(self, object packer, StandIns stand_ins, object value):
        """Pack a value, or say what is wrong with it and where."""
        stand_ins.room = MAX_DEPTH
        stand_ins.called = False
        try:
            if not self._walks_all and looks_clean(value, MAX_DEPTH, &stand_ins.room):
                try:
                    packed = packer.pack(value)
                    # The packer writes how long a list is, and then what is in it by then.
                    if not stand_ins.called or is_one_value(packed):
                        return packed
                except MemoryError:
                    raise
                except Exception:
                    # The same fault is put right below, as the policies say, or has its place told.
                    pass
            return packer.pack(self._outgoing.prepare(value))
        except (CodecError, MemoryError):
            raise
        except Exception as error:
            raise CodecError(f"cannot be packed: {error}") from error

    cdef object unpack(self, const char *data, Py_ssize_t length):
        cdef PyObject *args[5]
        if length == 0:
            raise CodecError("the payload is empty, but MessagePack has at least one byte")
        view = PyMemoryView_FromMemory(<char *>data, length, PyBUF_READ)
        args[0] = <PyObject *>view
        args[1] = <PyObject *>TIMESTAMP_AS_DATETIME
        args[2] = <PyObject *>STRICT_MAP_KEY
        args[3] = <PyObject *>UNICODE_ERRORS
        args[4] = <PyObject *>EXT_HOOK
        if has_invalid_date(data, length):
            wide_dates = WideDates.find(data, length)
            if wide_dates is not None:
                return wide_dates.unpack()
        try:
            return PyObject_Vectorcall(UNPACKB, args, 1, UNPACK_KEYWORDS)
        except MemoryError:
            raise
        except Exception as error:
            wide_dates = WideDates.find(data, length)
            if wide_dates is None:
                raise CodecError(reason(error)) from error
        return wide_dates.unpack()


# ---- incoming ----------------------------------------------------------------------------------

cdef double INFINITY = float("inf")
cdef object EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
cdef object UNPACKB = unpackb


def ext_hook(int code, bytes data):
    """What an extension type means; the library itself reads -1."""
    if code == 1:
        return data
    if code == 2:
        return date_from_milliseconds(data)
    # Not ExtType(code, data), which refuses the codes that MessagePack reserves for itself.
    return tuple.__new__(ExtType, (code, data))


cdef object EXT_HOOK = ext_hook


cdef object date_from_milliseconds(bytes data):
    if len(data) != 8:
        raise CodecError(f"extension 2 is a date of 8 bytes, got {len(data)}")
    milliseconds = unpack_float64(data)[0]
    if milliseconds != milliseconds:
        return None
    if milliseconds in (INFINITY, -INFINITY):
        raise CodecError(f"{milliseconds} milliseconds are no date")
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        seconds, rest = divmod(milliseconds, 1000)
    return Timestamp(int(seconds), int(rest * 1_000_000))


cdef object date_from_timestamp_96(bytes data):
    """JavaScript's dates reach further than Python's: those stay msgpack.Timestamp objects."""
    if data == bytes(12):
        return None
    nanoseconds = int.from_bytes(data[:4], "big")
    seconds = int.from_bytes(data[4:], "big", signed=True)
    try:
        return EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)
    except OverflowError:
        pass
    return Timestamp(seconds, nanoseconds)


cdef bint has_invalid_date(const char *data, Py_ssize_t length) noexcept nogil:
    """Whether the bytes of an invalid date occur; they may also be part of a string."""
    cdef const char *found = data
    cdef const char *end = data + length
    while end - found >= 15:
        found = <const char *>memchr(found, 0xC7, end - found - 14)
        if found == NULL:
            return False
        if memcmp(found, INVALID_DATE_BYTES, 15) == 0:
            return True
        found += 1
    return False


@cython.final
cdef class WideDates:
    """A payload with dates that the library alone cannot unpack: invalid, or out of range.

    The library reads extension -1 itself and gives up on the whole payload when a date does not
    fit, so those dates get another type, one that the payload does not use.
    """

    cdef bytearray payload
    cdef int code

    @staticmethod
    cdef WideDates find(const char *data, Py_ssize_t length):
        """The payload with its 12-byte timestamps retyped; None where there are none."""
        cdef WideDates found
        cdef list offsets = []
        cdef set codes = set()
        if step_over(data, length, offsets, codes) < 0 or not offsets:
            return None
        found = WideDates()
        found.payload = bytearray(data[:length])
        found.code = next(code for code in range(127, -1, -1) if code not in codes)
        for offset in offsets:
            found.payload[offset] = found.code
        return found

    cdef object unpack(self):
        try:
            return unpackb(self.payload, timestamp=3, strict_map_key=False,
                           unicode_errors=UNICODE_ERRORS, ext_hook=self)
        except MemoryError:
            raise
        except Exception as error:
            raise CodecError(reason(error)) from error

    def __call__(self, int code, bytes data):
        return date_from_timestamp_96(data) if code == self.code else ext_hook(code, data)


cdef str reason(object error):
    """The library's errors name no library and sometimes say nothing."""
    return f"not one whole MessagePack value: {str(error) or type(error).__name__}"


cdef inline Py_ssize_t big_endian(const uint8_t *data, int size) noexcept nogil:
    cdef Py_ssize_t value = 0
    cdef int i
    for i in range(size):
        value = (value << 8) | data[i]
    return value


cdef Py_ssize_t step_over(const char *data, Py_ssize_t length, list offsets,
                          set codes) except -2:
    """Where a value ends, without making any of it; -1 when the bytes end before.

    Collects where 12-byte timestamps have their type byte, and which types are in use.
    """
    cdef const uint8_t *bytes_ = <const uint8_t *>data
    cdef Py_ssize_t at = 0, values = 1, size
    cdef uint8_t token
    cdef int width
    while values:
        values -= 1
        if at >= length:
            return -1
        token = bytes_[at]
        at += 1
        # How many bytes of length follow the token, as a power of two.
        width = 1 << ((token - 0xC4) % 3 if 0xC4 <= token <= 0xC9 else
                      (token - 0xD9) % 3 if 0xD9 <= token <= 0xDB else
                      1 + (token & 1) if 0xDC <= token <= 0xDF else 0)
        if token <= 0x7F or token >= 0xE0 or 0xC0 <= token <= 0xC3:
            continue
        if token <= 0x8F:
            values += 2 * (token & 0x0F)
            continue
        if token <= 0x9F:
            values += token & 0x0F
            continue
        if token <= 0xBF:
            at += token & 0x1F
            continue
        if 0xCA <= token <= 0xD3:
            at += FIXED_SIZES[token - 0xCA]
            continue
        if 0xD4 <= token <= 0xD8:
            if at < length:
                codes.add(bytes_[at])
            at += 1 + (1 << (token - 0xD4))
            continue
        if at + width > length:
            return -1
        size = big_endian(bytes_ + at, width)
        at += width
        if token >= 0xDE:
            values += 2 * size
        elif token >= 0xDC:
            values += size
        elif 0xC7 <= token <= 0xC9:
            if at < length:
                if size == 12 and bytes_[at] == 0xFF:
                    offsets.append(at)
                else:
                    codes.add(bytes_[at])
            at += 1 + size
        else:
            at += size
    return at if at <= length else -1


cdef bint is_one_value(bytes packed) except -1:
    return step_over(PyBytes_AS_STRING(packed), len(packed), [], set()) == len(packed)


# ---- outgoing ----------------------------------------------------------------------------------


cdef enum:
    KEY_UNCLEAN = 0
    KEY_TEXT = 1
    KEY_NUMBER = 2


# Their items are where a dict's are, whatever their own methods do.
cdef object ORDERED_DICT = OrderedDict
cdef object DEFAULT_DICT = defaultdict
cdef object COUNTER = Counter
cdef PyTypeObject *TIMESTAMP = <PyTypeObject *>Timestamp


cdef object new_packer(StandIns stand_ins):
    return Packer(default=stand_ins, use_bin_type=True, autoreset=True)


cdef class StandIns:
    """What the packer calls for values of types that it does not know."""

    def __cinit__(self, outgoing):
        self.outgoing = outgoing

    def __call__(self, value):
        cdef int room = self.room
        self.called = True
        value = self.outgoing.stand_in(value)
        # The look at the whole value did not see into this one. The packer may go into it, but
        # not come back for what is in it: it would need C's stack for levels that nobody counts.
        if looks_clean(value, self.room, &room) and room == self.room:
            return value
        return self.outgoing.prepare(value, MAX_DEPTH - self.room)


cdef bint looks_clean(object value, int depth, int *room) except -1:
    """Whether JavaScript will see what Python sees, for everything but strings' contents.

    Only looks, calls no user code, and costs a few nanoseconds a value.  So many levels may be
    below it; `room` becomes what the deepest value of a type that is not known here has.
    """
    cdef PyObject *pointer = <PyObject *>value
    cdef Py_ssize_t i
    if PyUnicode_CheckExact(value):
        return PyUnicode_GET_LENGTH(value) <= MAX_CLEAN_LENGTH
    if PyLong_CheckExact(pointer):
        return integer_is_safe(value)
    if PyDict_CheckExact(value):
        return depth != 0 and dict_looks_clean(value, depth, room)
    if PyList_CheckExact(value):
        if depth == 0:
            return False
        for i in range(PyList_GET_SIZE(value)):
            if not looks_clean(<object>PyList_GET_ITEM(value, i), depth - 1, room):
                return False
        return True
    if PyTuple_CheckExact(value):
        if depth == 0:
            return False
        for i in range(PyTuple_GET_SIZE(value)):
            if not looks_clean(<object>PyTuple_GET_ITEM(value, i), depth - 1, room):
                return False
        return True
    if (value is None or PyFloat_CheckExact(pointer) or PyBool_Check(pointer)
            or PyBytes_CheckExact(value)):
        return True
    # Compared one by one: a type may have a comparison of its own, in Python.
    kind = type(value)
    if kind is ORDERED_DICT or kind is DEFAULT_DICT or kind is COUNTER:
        return depth != 0 and dict_looks_clean(value, depth, room)
    # Subclasses of the above are rare; the slow way knows them, and what has rules of its own.
    if (isinstance(value, (str, list, tuple, dict)) or PyLong_Check(pointer)
            or PyMemoryView_Check(pointer) or PyObject_TypeCheck(value, TIMESTAMP)):
        return False
    room[0] = min(room[0], depth)
    return True


cdef bint dict_looks_clean(object value, int depth, int *room) except -1:
    cdef Py_ssize_t i = 0
    cdef PyObject *key
    cdef PyObject *item
    cdef int kind
    cdef int kinds = 0
    while PyDict_Next(value, &i, &key, &item):
        kind = kind_of_key(<object>key)
        if kind == KEY_UNCLEAN or not looks_clean(<object>item, depth - 1, room):
            return False
        kinds |= kind
    # JavaScript has the same key for a number and for its text.
    return kinds != (KEY_TEXT | KEY_NUMBER)


cdef inline bint integer_is_safe(object value) except -1:
    cdef int overflow = 0
    cdef long long number = PyLong_AsLongLongAndOverflow(value, &overflow)
    return overflow == 0 and -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER


cdef inline int kind_of_key(object key) except -1:
    cdef PyObject *pointer = <PyObject *>key
    cdef Py_ssize_t length
    if PyUnicode_CheckExact(key):
        length = PyUnicode_GET_LENGTH(key)
        if length == 9 and key == PROTO or length > MAX_CLEAN_LENGTH:
            return KEY_UNCLEAN
        return KEY_TEXT
    if PyFloat_Check(pointer):
        return KEY_NUMBER
    if PyLong_CheckExact(pointer) and integer_is_safe(key):
        return KEY_NUMBER
    return KEY_UNCLEAN
