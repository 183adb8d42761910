# What drives a handler that yields: each chunk is sent when it is made, and when the transport has
# room for it.  The source is closed whatever happens.

import asyncio
import logging

from procwire.failures import log_about

# After so many chunks a source that never waits lets others have the loop.
cdef int CHUNKS_PER_TURN = 64

cdef object sleep = asyncio.sleep


async def stream_async(Context context, source):
    """Send what an async iterator yields, then close it whatever happened."""
    cdef int sent = 0
    try:
        async for item in source:
            if context.connection.writer.paused:
                await context.connection.wait_writable()
            context.check(KIND_STREAM, "yield")
            context.write_chunk(item)
            sent += 1
            if sent == CHUNKS_PER_TURN:
                sent = 0
                await sleep(0)
    except BaseException:
        # What went wrong first is what the caller is told.
        try:
            await source.aclose()
        except Exception as error:
            log_about(
                context.method, context.request_id, logging.ERROR,
                "%r failed while it was being closed", context.method, error=error)
        raise
    await source.aclose()


async def stream_sync(Context context, source):
    """Send what a generator on the loop yields, then close it whatever happened."""
    cdef int sent = 0
    try:
        for item in source:
            if context.connection.writer.paused:
                await context.connection.wait_writable()
            context.check(KIND_STREAM, "yield")
            context.write_chunk(item)
            sent += 1
            if sent == CHUNKS_PER_TURN:
                sent = 0
                await sleep(0)
    except BaseException:
        try:
            source.close()
        except Exception as error:
            log_about(
                context.method, context.request_id, logging.ERROR,
                "%r failed while it was being closed", context.method, error=error)
        raise
    source.close()
