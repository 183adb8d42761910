// What calls.py is, on the published Node client.
import { Client } from "@procwire/client";
import { rawCodec } from "@procwire/codecs";

async function untilAborted(data, ctx) {
  // An abort that has come already is not told again.
  if (!ctx.aborted) await new Promise((resolve) => ctx.onAbort(resolve));
  await client.emitEvent("aborted", data);
}

const client = new Client()
  .event("progress")
  .event("aborted")
  .handle("echo", (data, ctx) => ctx.respond(data))
  .handle("raw", (data, ctx) => ctx.respond(data), { codec: rawCodec })
  .handle("fail", (data, ctx) => ctx.error({ message: "on purpose", code: "E_PURPOSE", asked: data }))
  .handle("accept", async (data, ctx) => {
    await ctx.ack(data);
    await client.emitEvent("progress", { of: data });
  }, { response: "ack" })
  .handle("accept_empty", (_, ctx) => ctx.ack(), { response: "ack" })
  .handle("note", (data) => client.emitEvent("progress", { noted: data }), { response: "none" })
  .handle("count", async (data, ctx) => {
    for (let number = 0; number < data; number++) await ctx.chunk(number);
    await ctx.end();
  }, { response: "stream" })
  .handle("count_then_fail", async (data, ctx) => {
    for (let number = 0; number < data; number++) await ctx.chunk(number);
    await ctx.error({ message: "no more" });
  }, { response: "stream" })
  .handle("hang", async (data, ctx) => {
    await client.emitEvent("progress", { hangs: data });
    await untilAborted(data, ctx);
  })
  .handle("count_and_hang", async (data, ctx) => {
    for (let number = 0; number < data; number++) await ctx.chunk(number);
    await untilAborted(data, ctx);
  }, { response: "stream" })
  .handle("pid", (_, ctx) => ctx.respond(process.pid));

await client.start();
