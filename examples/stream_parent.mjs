// Streams: iterate over what a Python generator yields, and stop it when you have seen enough.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { deflate } from "node:zlib";

import { msgpackCodec, rawCodec } from "@procwire/codecs";
import { Module, ModuleManager } from "@procwire/core";

import { runIfMain } from "./account.mjs";

const WORKER = fileURLToPath(new URL("stream_worker.py", import.meta.url));

export async function run(python, log) {
  const worker = new Module("stream")
    .executable(python, [WORKER])
    .method("search", { response: "stream" })
    .method("noise", {
      response: "stream",
      requestCodec: msgpackCodec,
      responseCodec: rawCodec,
      cancellable: true, // without it an AbortSignal is ignored
    })
    .method("noise_report");

  const manager = new ModuleManager();
  manager.register(worker);
  await manager.spawn();
  try {
    const text = "async def";
    let hits = 0;
    for await (const hit of worker.stream("search", { path: WORKER, text })) {
      log('search({ text: "async def" })', hit);
      hits += 1;
    }
    const lines = (await readFile(WORKER, "utf8")).split("\n");
    assert.equal(hits, lines.filter((line) => line.includes(text)).length);

    // The worker makes blocks far faster than they are compressed here, and has to wait.
    let taken = 0;
    for await (const block of stoppable(worker, "noise", { size: 4096 })) {
      await compress(block);
      taken += 1;
      if (taken === 1000) break;
    }
    const made = await worker.send("noise_report", null);
    log("noise(…), left by break", { taken, made });
    assert.ok(made >= taken);

    // A stop button: the signal may come from anywhere, at any time.
    const stop = new AbortController();
    let received = 0;
    try {
      for await (const block of worker.stream("noise", { size: 4096 }, { signal: stop.signal })) {
        received += block.length;
        if (received >= 1_000_000) stop.abort();
      }
    } catch (error) {
      log("noise(…), abort()", error);
      assert.equal(error.name, "AbortError");
    }
    assert.ok((await worker.send("noise_report", null)) * 4096 >= 1_000_000);
  } finally {
    await manager.shutdown();
  }
}

const compress = promisify(deflate);

/**
 * worker.stream(), except that leaving the loop early also stops the handler in the worker.
 *
 * A plain `break` tells the worker nothing: an endless handler would go on for ever. The abort
 * has to be sent while the stream is still open, so a `finally` around the `for await` would be
 * too late: by then the loop has closed the stream, which no longer listens to the signal.
 */
async function* stoppable(worker, method, data) {
  const controller = new AbortController();
  const chunks = worker.stream(method, data, { signal: controller.signal });
  try {
    for (let next; !(next = await chunks.next()).done; ) yield next.value;
  } finally {
    controller.abort();
    await chunks.return();
  }
}

await runIfMain(import.meta.url, run);
