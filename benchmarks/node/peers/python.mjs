// Starting a Python worker, and what every peer's start and stop have in common.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The last line of what importing the modules says, or null when all is there. */
export function importsOf(python, modules) {
  if (modules.length === 0) return null;
  // -P: not the source tree, should this have been called from there.
  const { status, stderr, error } = spawnSync(python, ["-P", "-c", `import ${modules.join(", ")}`]);
  if (error) return error.message;
  return status === 0 ? null : stderr.toString().trim().split("\n").at(-1);
}

/** A file beside the module with this URL. */
export const beside = (url, name) => fileURLToPath(new URL(name, url));

/** A worker with a socket in a folder of its own. */
export class SocketWorker {
  constructor(python, script, words = []) {
    this.folder = mkdtempSync(join(tmpdir(), "bench-"));
    this.socket = join(this.folder, "s");
    const stdio = ["ignore", "pipe", "inherit"];
    this.child = spawn(python, [script, this.socket, ...words], { stdio });
    this.pid = this.child.pid;
  }

  /** Resolves when the worker prints something: that it listens. */
  async ready() {
    const [text] = await Promise.race([once(this.child.stdout, "data"), once(this.child, "exit")]);
    if (!Buffer.isBuffer(text)) throw new Error(`the worker ended at its start: ${text}`);
  }

  async stop() {
    if (this.child.exitCode === null) {
      this.child.kill("SIGKILL");
      await once(this.child, "exit");
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
