// A Node program with one peer: a process of its own, so that no peer's heap and compiled code
// are another's. run.mjs tells it what to do, one thing at a time.

import { JOBS, load, warmUp } from "./jobs.mjs";
import { loadPeer, PEERS } from "./peers/index.mjs";
import { busySeconds, cpuSeconds, memory } from "./procfs.mjs";

let peer;

const ownSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const commands = {
  async start({ key, python }) {
    const description = PEERS.find((one) => one.key === key);
    const Peer = await loadPeer(description);
    peer = new Peer({ python, ...description.options });
    const start = performance.now();
    await peer.start();
    await peer.echoMap({ i: 0, s: "first" });
    const startup = (performance.now() - start) / 1000;
    return { startup, memoryIdle: memory(peer.pid, "VmRSS"), pid: peer.pid };
  },

  async warmUp({ calls, maxSeconds }) {
    await warmUp(peer, calls, maxSeconds);
    return {};
  },

  async job({ key, seconds, warmup }) {
    const job = JOBS.find((one) => one.key === key);
    await load(job, peer, warmup);
    const before = { parent: ownSeconds(), child: cpuSeconds(peer.pid), busy: busySeconds() };
    const { amount, seconds: elapsed } = await load(job, peer, seconds);
    const parent = ownSeconds() - before.parent;
    const child = cpuSeconds(peer.pid) - before.child;
    return {
      rate: (amount / elapsed) * (job.scale ?? 1),
      parentMicros: (parent / amount) * 1e6,
      childMicros: (child / amount) * 1e6,
      otherCores: Math.max(0, (busySeconds() - before.busy - parent - child) / elapsed),
      memoryPeak: memory(peer.pid, "VmHWM"),
    };
  },

};

// However run.mjs lets go of this process, the worker ends with it.
let ending;
const end = () => (ending ??= Promise.resolve(peer?.stop()).finally(() => process.exit()));
process.on("disconnect", end);
process.on("SIGTERM", end);

process.on("message", async ({ command, ...rest }) => {
  try {
    const result = await commands[command](rest);
    if (process.connected) process.send({ result });
  } catch (error) {
    process.send({ error: error.message ?? String(error) });
  }
});
