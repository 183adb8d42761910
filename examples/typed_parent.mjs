// @ts-check
// Typed handlers: what does not fit is refused before the handler sees it.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

import { Module, ModuleManager } from "@procwire/core";

import { runIfMain } from "./account.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));

/** An editor knows what an order is: typed_worker.ts is made from the worker's annotations.
 * @type {import("./typed_worker.js").Order} */
const ORDER = {
  placed: new Date("2026-11-23T12:00:00Z"),
  lines: [
    { article: "globe", price: "10.50", quantity: 3 },
    { article: "map", price: "7.50", quantity: undefined },
  ],
  discounts: { 4: "0.1", 100: "0.5" },
  signature: Buffer.alloc(64),
};

export async function run(python, log) {
  // In TypeScript: import { typedWorker } from "./typed_worker.js", whose module has all of this.
  const worker = new Module("typed")
    .executable(python, ["-m", "procwire", "run", "typed_worker"], { cwd: HERE })
    .method("bill")
    .method("ship", { response: "stream" })
    .event("shipped");

  const manager = new ModuleManager();
  manager.register(worker);
  await manager.spawn();
  try {
    const invoice = await worker.send("bill", ORDER);
    log("bill(order)", invoice);
    assert.deepEqual(invoice, { total: "35.10", currency: "EUR", due: "2026-12-07", signed: true });

    const bad = { ...ORDER, lines: [ORDER.lines[0], { ...ORDER.lines[1], quantity: "two" }] };
    const error = await worker.send("bill", bad).catch((reason) => reason);
    log("bill(a bad order)", error);
    assert.equal(error.data.code, "VALIDATION");
    assert.equal(error.data.path, "$.lines[1].quantity");

    const shipped = [];
    worker.onEvent("shipped", ({ article }) => shipped.push(article));
    const texts = [];
    for await (const text of worker.stream("ship", ORDER)) texts.push(text);
    log("ship(order)", texts);
    assert.deepEqual(shipped, ["globe", "map"]);
  } finally {
    await manager.shutdown();
  }
}

await runIfMain(import.meta.url, run);
