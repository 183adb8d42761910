// The real parent, with a Python or a Node worker.

import { rawCodec } from "@procwire/codecs";
import { Module, ModuleManager } from "@procwire/core";

import { workerCommand } from "./worker_command.mjs";

export class Peer {
  #manager = new ModuleManager();

  constructor({ python, worker }) {
    const [command, ...words] = workerCommand(python, worker);
    this.module = new Module("bench")
      .executable(command, words)
      .method("echoRaw", { codec: rawCodec })
      .method("echoMap")
      .method("stream", { response: "stream" });
    this.#manager.register(this.module);
  }

  async start() {
    await this.#manager.spawn();
    this.pid = this.module.process.pid;
  }

  echoRaw(buffer) {
    return this.module.send("echoRaw", buffer);
  }

  echoMap(map) {
    return this.module.send("echoMap", map);
  }

  stream(count) {
    return this.module.stream("stream", { count });
  }

  async stop() {
    await this.#manager.shutdown();
  }
}
