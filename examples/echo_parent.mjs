// Results: call a Python function, await what it returns.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

import { rawCodec } from "@procwire/codecs";
import { Module, ModuleManager } from "@procwire/core";

import { runIfMain } from "./account.mjs";

const WORKER = fileURLToPath(new URL("echo_worker.py", import.meta.url));

export async function run(python, log) {
  const worker = new Module("echo")
    .executable(python, [WORKER])
    .method("echo")
    .method("types")
    .method("reverse", { codec: rawCodec })
    .method("divide");

  const manager = new ModuleManager();
  manager.register(worker);
  await manager.spawn();
  try {
    const value = { id: 7, tags: ["π", null], at: new Date(0), icon: Buffer.from([1, 2]) };
    const copy = await worker.send("echo", value);
    log("echo(value)", copy);
    assert.deepEqual(copy, value);

    const types = await worker.send("types", value);
    log("types(value)", types);
    assert.deepEqual(types, { id: "int", tags: "list", at: "datetime", icon: "bytes" });

    const reversed = await worker.send("reverse", Buffer.from("stressed"));
    log('reverse("stressed"), raw bytes', reversed.toString());
    assert.equal(reversed.toString(), "desserts");

    const halves = await Promise.all([1, 2, 3].map((a) => worker.send("divide", { a, b: 2 })));
    log("divide(…), three at a time", halves);
    assert.deepEqual(halves, [0.5, 1, 1.5]);

    const error = await worker.send("divide", { a: 1, b: 0 }).catch((reason) => reason);
    log("divide({ a: 1, b: 0 })", error);
    assert.equal(error.message, "division by zero");
    assert.equal(error.data.code, "E_DIVISION");
  } finally {
    await manager.shutdown();
  }
}

await runIfMain(import.meta.url, run);
