// The benchmark's worker on the published Node client, as its README writes one:
// async handlers, every answer awaited (that is its backpressure).
import { Client } from "@procwire/client";
import { msgpackCodec, rawCodec } from "@procwire/codecs";

const TEXT = "x".repeat(1000);

const client = new Client()
  .handle("echo_raw", async (data, ctx) => {
    await ctx.respond(data);
  }, { response: "result", codec: rawCodec })
  .handle("echo_msgpack", async (data, ctx) => {
    await ctx.respond(data);
  }, { response: "result", codec: msgpackCodec })
  .handle("stream_msgpack", async ({ count }, ctx) => {
    for (let i = 0; i < count; i++) {
      await ctx.chunk({ i, s: TEXT });
    }
    await ctx.end();
  }, { response: "stream", codec: msgpackCodec })
  .handle("stream_raw", async ({ count, size }, ctx) => {
    for (let i = 0; i < count; i++) {
      // A fresh Buffer each: the transport may still hold the last one.
      const chunk = Buffer.alloc(size, "x");
      if (size >= 4) {
        chunk.writeUInt32BE(i);
      }
      await ctx.chunk(chunk);
    }
    await ctx.end();
  }, { response: "stream", requestCodec: msgpackCodec, responseCodec: rawCodec });

await client.start();
