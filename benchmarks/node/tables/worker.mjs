// A table, as it came.

import { Client } from "@procwire/client";
import { arrowCodec } from "@procwire/codecs/arrow";

const client = new Client().handle("echo", async (table, ctx) => ctx.respond(table), {
  codec: arrowCodec,
});

await client.start();
