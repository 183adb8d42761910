// How the workers are started that both kinds of parents drive.

import { beside } from "../python.mjs";

/** The worker is "node", or the event loop of one in Python. */
export const workerCommand = (python, worker) =>
  worker === "node"
    ? [process.execPath, beside(import.meta.url, "worker.mjs")]
    : [python, beside(import.meta.url, "worker.py"), worker];
