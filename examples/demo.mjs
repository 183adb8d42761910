// All examples one after the other, with an account of what was called and what came back.

import { bold, dim, findPython, green, makeLog, red } from "./account.mjs";

const EXAMPLES = {
  echo: "values in, results out",
  stream: "generators, at the reader's pace",
  event: "jobs that report their progress",
  image: "NumPy looks at the sky",
  filter: "a 4K image as bare bytes",
  frame: "Arrow tables, and Polars",
  trace: "a middleware for OpenTelemetry",
  typed: "annotations that are kept, in Node as well",
};
/** Milliseconds after which an example is stuck. */
const TIME_LIMIT = 60_000;

const { python, version, procwire } = findPython();
console.log(`procwire ${procwire} on Python ${version}, called from Node.js ${process.version}\n`);

let results = 0;
let failures = 0;
for (const [name, theme] of Object.entries(EXAMPLES)) {
  console.log(`${bold(`${name}: ${theme}`)} ${dim(`(${name}_parent.mjs → ${name}_worker.py)`)}`);
  const log = makeLog();
  try {
    const { run } = await import(`./${name}_parent.mjs`);
    await withinTime(run(python, log));
  } catch (error) {
    failures += 1;
    console.log(red(`  FAILED: ${error.stack ?? error}`));
  }
  results += log.results;
  console.log();
}

const count = `${Object.keys(EXAMPLES).length} examples, ${results} results, ${failures} failed`;
console.log(failures === 0 ? green(count) : red(count));
// A worker of an example that is stuck would keep this process alive.
process.exit(failures === 0 ? 0 : 1);

async function withinTime(running) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`stuck for ${TIME_LIMIT} ms`)), TIME_LIMIT);
  });
  await Promise.race([running, late]).finally(() => clearTimeout(timer));
}
