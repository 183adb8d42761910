// How the examples find Python, and show what they called and what came back.

import { spawnSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { basename, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const CALL_WIDTH = 30;

/** Colours, for people only. */
const styled = Boolean(process.stdout.isTTY) && !process.env.NO_COLOR;
const style = (code, text) => (styled ? `\x1b[${code}m${text}\x1b[0m` : text);
export const bold = (text) => style(1, text);
export const dim = (text) => style(2, text);
export const red = (text) => style(31, text);
export const green = (text) => style(32, text);

/** The interpreter for the workers, from the environment variable PYTHON; it has procwire. */
export function findPython() {
  let python = process.env.PYTHON || (process.platform === "win32" ? "python" : "python3");
  // A relative path must mean the same to a worker that starts in another directory.
  if (basename(python) !== python) python = resolve(python);
  const script =
    "import platform, procwire; print(platform.python_version(), procwire.__version__)";
  // Not in the repository's root, whose folder procwire would be imported, built or not.
  const options = { cwd: HERE, encoding: "utf8" };
  const { status, stdout, stderr, error } = spawnSync(python, ["-c", script], options);
  if (status !== 0) {
    const reason = error?.message ?? stderr.trim().split("\n").at(-1);
    console.error(`${python} cannot run the workers: ${reason}`);
    console.error("Set PYTHON to the interpreter of an environment with procwire and NumPy.");
    process.exit(1);
  }
  const [version, procwire] = stdout.trim().split(" ");
  return { python, version, procwire };
}

/** A function log(call, result) that prints one aligned line, and counts: log.results. */
export function makeLog() {
  function log(call, result) {
    log.results += 1;
    console.log(`  ${call.padEnd(CALL_WIDTH)} ${dim("→")} ${format(result)}`);
  }
  log.results = 0;
  return log;
}

function format(result) {
  if (!(result instanceof Error)) return inspectLine(result);
  const text = red(`${result.name}: ${result.message}`);
  if (typeof result.data !== "object") return text;
  const { message, ...details } = result.data;
  return `${text} ${inspectLine(details)}`;
}

function inspectLine(value) {
  const options = { colors: styled, compact: true, breakLength: Infinity, maxArrayLength: 4 };
  return inspect(value, options);
}

/** Run an example when its file is what Node was started with, and not when it is imported. */
export async function runIfMain(url, run) {
  if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(url)) {
    await run(findPython().python, makeLog());
  }
}
