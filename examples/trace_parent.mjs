// Tracing: what Node.js calls belongs to the trace that Node.js has begun.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";

import { Module, ModuleManager } from "@procwire/core";

import { runIfMain } from "./account.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));

/** With @opentelemetry/api: `propagation.inject(context.active(), carrier)` makes this header. */
function newTrace() {
  const traceId = randomBytes(16).toString("hex");
  return { traceId, traceparent: `00-${traceId}-${randomBytes(8).toString("hex")}-01` };
}

export async function run(python, log) {
  const worker = new Module("trace")
    // So a missing opentelemetry-api rejects spawn(), which says what is missing.
    .executable(python, ["-m", "procwire", "run", "trace_worker"], { cwd: HERE })
    .method("greet")
    .method("count");

  const manager = new ModuleManager();
  manager.register(worker);
  await manager.spawn();
  try {
    const { traceId, traceparent } = newTrace();
    const { greeting, trace_id } = await worker.send("greet", { traceparent, data: "Node" });
    log("greet, in a trace", greeting);
    assert.equal(trace_id, traceId);

    const { words, headers } = await worker.send("count", { traceparent, data: "to be or not" });
    log("count, in a thread", { words, sameTrace: headers.traceparent.includes(traceId) });
    assert.equal(words, 4);
    assert.ok(headers.traceparent.startsWith(`00-${traceId}-`));
  } finally {
    await manager.shutdown();
  }
}

await runIfMain(import.meta.url, run);
