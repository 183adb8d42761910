# What the files of the compiled core declare to each other.

include "core/header.pxd"
include "core/socket.pxd"
include "core/watcher.pxd"
include "core/reader.pxd"
include "core/writer.pxd"
include "core/codecs.pxd"
include "core/msgpack.pxd"
include "core/task.pxd"
include "core/connection.pxd"
include "core/context.pxd"
include "core/dispatch.pxd"
