//! What calls.py is, on the published Rust client, as far as version 2.0 can:
//!
//! * It has no `none` methods, and its acks carry no data: `accept` answers an ack method with a
//!   result, which parents take as well.
//! * Requests are always MessagePack; `raw` takes a bin and answers with its bytes.
//! * Requests above `max_concurrent_handlers` are dropped without an answer.

use std::time::Duration;

use bytes::Bytes;
use procwire_client::{Client, RequestContext};
use rmpv::Value;
use serde_bytes::ByteBuf;
use tokio::sync::mpsc::{unbounded_channel, UnboundedSender};

type Events = UnboundedSender<(&'static str, Value)>;

fn map(entries: Vec<(&str, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

async fn until_aborted(data: Value, ctx: RequestContext, events: Events) {
    ctx.cancelled().await;
    let _ = events.send(("aborted", data));
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (events, mut queue) = unbounded_channel();
    let (accepted, hanging, counted) = (events.clone(), events.clone(), events);

    let client = Client::builder()
        .max_concurrent_handlers(4096)
        .event("progress")
        .event("aborted")
        .handle("echo", |data: Value, ctx: RequestContext| async move { ctx.respond(&data).await })
        .handle("raw", |data: ByteBuf, ctx: RequestContext| async move {
            ctx.respond_bytes(Bytes::from(data.into_vec())).await
        })
        .handle("fail", |data: Value, ctx: RequestContext| async move {
            ctx.error_with(&map(vec![
                ("message", "on purpose".into()),
                ("code", "E_PURPOSE".into()),
                ("asked", data),
            ]))
            .await
        })
        .handle_ack("accept", move |data: Value, ctx: RequestContext| {
            let events = accepted.clone();
            async move {
                ctx.respond(&data).await?;
                let _ = events.send(("progress", map(vec![("of", data)])));
                Ok(())
            }
        })
        .handle_ack("accept_empty", |_: Value, ctx: RequestContext| async move { ctx.ack().await })
        .handle_stream("count", |data: u32, ctx: RequestContext| async move {
            for number in 0..data {
                ctx.chunk(&number).await?;
            }
            ctx.end().await
        })
        .handle_stream("count_then_fail", |data: u32, ctx: RequestContext| async move {
            for number in 0..data {
                ctx.chunk(&number).await?;
            }
            ctx.error("no more").await
        })
        .handle("hang", move |data: Value, ctx: RequestContext| {
            let events = hanging.clone();
            async move {
                let _ = events.send(("progress", map(vec![("hangs", data.clone())])));
                until_aborted(data, ctx, events).await;
                Ok(())
            }
        })
        .handle_stream("count_and_hang", move |data: u32, ctx: RequestContext| {
            let events = counted.clone();
            async move {
                for number in 0..data {
                    ctx.chunk(&number).await?;
                }
                until_aborted(data.into(), ctx, events).await;
                Ok(())
            }
        })
        .handle("pid", |_: Value, ctx: RequestContext| async move {
            ctx.respond(&std::process::id()).await
        })
        .start()
        .await?;

    // wait_for_shutdown() would take the client, which emits the events; nobody can wait for both.
    while !client.is_shutdown_requested() {
        tokio::select! {
            Some((event, data)) = queue.recv() => client.emit(event, &data).await?,
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    }
    Ok(())
}
