// Events: start long jobs, follow their progress, stop one of them.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { Module, ModuleManager } from "@procwire/core";

import { runIfMain } from "./account.mjs";

const WORKER = fileURLToPath(new URL("event_worker.py", import.meta.url));
const FOLDER = fileURLToPath(new URL(".", import.meta.url));

export async function run(python, log) {
  const worker = new Module("event")
    .executable(python, [WORKER])
    .method("checksums", { response: "ack" })
    .method("configure", { response: "none" })
    .method("find_nonce", { cancellable: true }) // without it an AbortSignal is ignored
    .event("progress")
    .event("finished");

  const manager = new ModuleManager();
  manager.register(worker);
  await manager.spawn();
  try {
    // An ack says "accepted"; how the job goes on is told by events.
    const progress = [];
    const unsubscribe = worker.onEvent("progress", (event) => progress.push(event));
    const finished = nextEvent(worker, "finished");
    const accepted = await worker.send("checksums", FOLDER);
    log("checksums(folder): ack", accepted);

    const { digests } = await finished;
    unsubscribe();
    log("  progress", progress.map(({ done, of }) => `${done}/${of}`));
    log("  finished", { digests: Object.keys(digests).length });
    assert.equal(progress.length, accepted.files);
    for (const [name, digest] of Object.entries(digests)) {
      assert.equal(digest, sha256(await readFile(join(FOLDER, name))));
    }

    // Fire and forget: there is no answer to wait for.
    const answer = await worker.send("configure", { nonces_per_step: 10_000 });
    log("configure(…)", answer);

    const { nonce } = await worker.send("find_nonce", { text: "procwire", zeros: 4 });
    const hash = sha256(`procwire${nonce}`);
    log("find_nonce({ zeros: 4, … })", { nonce, hash: `${hash.slice(0, 12)}…` });
    assert.ok(hash.startsWith("0000"));

    // Nobody finds 64 zeros: the second report of progress stops the search.
    const controller = new AbortController();
    let reports = 0;
    worker.onEvent("progress", () => {
      reports += 1;
      if (reports === 2) controller.abort();
    });
    const stopped = nextEvent(worker, "finished");
    const endless = { text: "procwire", zeros: 64 };
    const error = await worker
      .send("find_nonce", endless, { signal: controller.signal })
      .catch((reason) => reason);
    log("find_nonce({ zeros: 64, … })", error);
    assert.equal(error.name, "AbortError");

    const end = await stopped;
    log("  finished", end);
    assert.equal(end.cancelled, true);
    assert.equal(end.tried % 10_000, 0);
  } finally {
    await manager.shutdown();
  }
}

function nextEvent(worker, name) {
  return new Promise((resolve) => {
    const unsubscribe = worker.onEvent(name, (event) => {
      unsubscribe();
      resolve(event);
    });
  });
}

function sha256(data) {
  return createHash("sha256").update(data).digest("hex");
}

await runIfMain(import.meta.url, run);
