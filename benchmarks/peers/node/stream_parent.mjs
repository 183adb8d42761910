// The real parent, taking one stream after the other from any worker: items a
// second as a Node user sees them. Prints one JSON object.
//
//   node stream_parent.mjs ITEMS SECONDS WORKER-COMMAND [ARGUMENTS]
import { readFileSync } from "node:fs";
import process from "node:process";
import { Module, ModuleManager } from "@procwire/core";
import { msgpackCodec } from "@procwire/codecs";

const [items, seconds, command, ...args] = process.argv.slice(2);
const count = Number(items);
const TEXT = "x".repeat(1000);

// User and system time of all the worker's threads; the kernel tells it in 1/100 s.
function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function oneStream(worker) {
  let next = 0;
  for await (const item of worker.stream("stream_msgpack", { count })) {
    if (item.i !== next || item.s !== TEXT) {
      throw new Error(`item ${next} is wrong: ${JSON.stringify(item).slice(0, 80)}`);
    }
    next++;
  }
  if (next !== count) {
    throw new Error(`the stream ended after ${next} of ${count} items`);
  }
}

const worker = new Module("bench")
  .executable(command, args)
  .method("stream_msgpack", { response: "stream", codec: msgpackCodec });
const manager = new ModuleManager();
manager.register(worker);
await manager.spawn();
try {
  await oneStream(worker); // both sides compile their hot code
  let streams = 0;
  const cpuBefore = cpuSeconds(worker.process.pid);
  const start = performance.now();
  let elapsed = 0;
  do {
    await oneStream(worker);
    streams++;
    elapsed = (performance.now() - start) / 1000;
  } while (elapsed < Number(seconds));
  const total = streams * count;
  const cpu = cpuSeconds(worker.process.pid) - cpuBefore;
  console.log(JSON.stringify({
    mode: "node-stream",
    items: total,
    seconds: elapsed,
    items_per_s: total / elapsed,
    worker_cpu_s: cpu,
    cpu_ns_per_item: (cpu * 1e9) / total,
  }));
} finally {
  await manager.shutdown();
}
