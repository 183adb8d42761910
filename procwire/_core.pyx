# The compiled core: one extension module, put together from small files.
#
# In the order of a byte's way: what the socket gives goes through the reader, the connection and
# the dispatch to a codec and to the handler, which runs in a task and answers through its
# context; codec and writer take it back to the socket.  The watcher, beside all that, has the
# control plane.  The dispatch is the worker's role, calls is the parent's.

# What the rest of the package uses; _core.pyi has its types.  All else is in C, or might as well be.
__all__ = [
    "CONTROL_MAX_DEPTH",
    "CONTROL_MAX_LINE_SIZE",
    "DEFAULT_MAX_PAYLOAD_SIZE",
    "FLAG_ACK",
    "FLAG_ERROR",
    "FLAG_RESPONSE",
    "FLAG_STREAM",
    "FLAG_STREAM_END",
    "FLAG_TO_PARENT",
    "HEADER_SIZE",
    "MAX_PAYLOAD_SIZE",
    "METHOD_ID_ABORT",
    "METHOD_ID_AUTH",
    "NEWS_ENDED",
    "NEWS_SHUTDOWN",
    "STRANGER_PAYLOAD_LIMIT",
    "Call",
    "Connection",
    "Context",
    "EventReceiver",
    "Frame",
    "FrameReader",
    "FrameWriter",
    "Header",
    "Method",
    "MsgpackCodec",
    "ParentConnection",
    "RawCodec",
    "RemoteMethod",
    "ResultCall",
    "StreamCall",
    "WorkerConnection",
    "control_message",
    "forget_socket_file",
    "guard_socket_file",
    "hold_lifeline",
    "pack_header",
    "set_standard_handle",
    "stream_async",
    "stream_sync",
    "unpack_header",
    "watcher_begin_exit",
    "watcher_exit_on_signal",
    "watcher_own_process",
    "watcher_report_stalls",
    "watcher_send",
    "watcher_set_listener",
    "watcher_set_liveness",
    "watcher_set_names",
    "watcher_start",
    "watcher_turn",
    "wipe_variable",
]

include "core/environment.pyx"
include "core/lifeline.pyx"
include "core/header.pyx"
include "core/watcher.pyx"
include "core/socket_file.pyx"
include "core/reader.pyx"
include "core/writer.pyx"
include "core/codecs.pyx"
include "core/msgpack.pyx"
include "core/typed.pyx"
include "core/deadlines.pyx"
include "core/task.pyx"
include "core/connection.pyx"
include "core/context.pyx"
include "core/streams.pyx"
include "core/waiting.pyx"
include "core/dispatch.pyx"
include "core/observed.pyx"
include "core/calls.pyx"
