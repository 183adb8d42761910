// A parent that spawns workers/life.py, calls what it is told to, and never ends by itself.
// The worker inherits its standard error.

import { join } from "node:path";
import { Module, ModuleManager } from "@procwire/core";
import { PYTHON, WORKERS } from "../harness.mjs";

const calls = JSON.parse(process.argv[2]);
const module = new Module("held")
  .executable(PYTHON, [join(WORKERS, "life.py")])
  .method("echo")
  .spawnPolicy({ auth: true, maxRetries: 0 });
for (const [method] of calls) module.method(method);
await new ModuleManager().register(module).spawn();
await module.send("echo", null);
for (const [method, data] of calls) module.send(method, data).catch(() => {});
console.log(module.process.pid);
setInterval(() => {}, 1000);
