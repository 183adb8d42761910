// The handlers as the Node client's README writes them.

import { Client } from "@procwire/client";
import { rawCodec } from "@procwire/codecs";

const TEXT = "x".repeat(1000);

const client = new Client()
  .handle("echoRaw", async (data, ctx) => ctx.respond(data), { codec: rawCodec })
  .handle("echoMap", async (data, ctx) => ctx.respond(data))
  .handle(
    "stream",
    async ({ count }, ctx) => {
      for (let i = 0; i < count; i++) await ctx.chunk({ i, s: TEXT });
      await ctx.end();
    },
    { response: "stream" },
  );

await client.start();
