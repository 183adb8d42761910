//! The benchmark's worker on the published Rust client, as its README writes one.
//!
//! * `#[tokio::main]` is the README's start: Tokio's multi-thread runtime, one
//!   thread per core.
//! * Requests above `max_concurrent_handlers` (256 by default) are dropped without
//!   an answer, and a place becomes free only some time AFTER its answer was sent:
//!   a parent with 256 requests under way already loses some. 4096 is well above
//!   anything the benchmark keeps under way.
//! * Version 2.0 has no raw handlers: `RawCodec` exists, but every request is decoded
//!   from MessagePack. Bytes therefore travel as one MessagePack bin value, read as
//!   `serde_bytes::ByteBuf`, which serde copies out of the frame; the benchmark sends
//!   such bytes to every peer.

use bytes::Bytes;
use procwire_client::{Client, RequestContext};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

#[derive(Deserialize, Serialize)]
struct Message {
    n: u32,
    s: String,
}

#[derive(Deserialize)]
struct StreamRequest {
    count: u32,
}

#[derive(Deserialize)]
struct RawStreamRequest {
    count: u32,
    size: usize,
}

#[derive(Serialize)]
struct Chunk<'a> {
    i: u32,
    s: &'a str,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder()
        .max_concurrent_handlers(4096)
        .handle("echo_raw", |data: ByteBuf, ctx: RequestContext| async move {
            ctx.respond(&data).await
        })
        .handle("echo_msgpack", |data: Message, ctx: RequestContext| async move {
            ctx.respond(&data).await
        })
        .handle_stream(
            "stream_msgpack",
            |request: StreamRequest, ctx: RequestContext| async move {
                let text = "x".repeat(1000);
                for i in 0..request.count {
                    ctx.chunk(&Chunk { i, s: &text }).await?;
                }
                ctx.end().await
            },
        )
        .handle_stream(
            "stream_raw",
            |request: RawStreamRequest, ctx: RequestContext| async move {
                for i in 0..request.count {
                    let mut chunk = vec![b'x'; request.size];
                    let stamp = i.to_be_bytes();
                    let length = request.size.min(stamp.len());
                    chunk[..length].copy_from_slice(&stamp[stamp.len() - length..]);
                    ctx.chunk_bytes(Bytes::from(chunk)).await?;
                }
                ctx.end().await
            },
        )
        .start()
        .await?;

    client.wait_for_shutdown().await?;
    Ok(())
}
