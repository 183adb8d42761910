# The compiled core: one extension module, put together from small files.
#
# In the order of a byte's way: what the socket gives goes through the reader, the connection and
# the dispatch to a codec and to the handler, which runs in a task and answers through its
# context; codec and writer take it back to the socket.  The watcher, beside all that, has the
# control plane.  The dispatch is the worker's role, calls is the parent's.

include "core/environment.pyx"
include "core/lifeline.pyx"
include "core/header.pyx"
include "core/watcher.pyx"
include "core/socket_file.pyx"
include "core/reader.pyx"
include "core/writer.pyx"
include "core/codecs.pyx"
include "core/msgpack.pyx"
include "core/deadlines.pyx"
include "core/task.pyx"
include "core/connection.pyx"
include "core/context.pyx"
include "core/streams.pyx"
include "core/waiting.pyx"
include "core/dispatch.pyx"
include "core/observed.pyx"
include "core/calls.pyx"
