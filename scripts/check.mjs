/**
 * `npm test`: everything that must hold before a change goes in, cheap steps first:
 * format, lint, types, layers, tests. All steps run even if an earlier one fails, so that one run tells
 * everything. The last line is `N passed, N failed` (`, N skipped` if some were): a step counts as one,
 * the test step as its tests. Exit status 1 if anything failed.
 *
 * Arguments go to vitest: `npm test -- packages/wire` runs every check but only those tests.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { countLine } from "./count-reporter.mjs";

/** @typedef {{ passed: number, failed: number, skipped: number }} Count */

const bin = "node_modules";
const steps = [
  { name: "format", run: [`${bin}/prettier/bin/prettier.cjs`, "--check", "--log-level=warn", "."] },
  { name: "lint", run: [`${bin}/oxlint/bin/oxlint`, "--type-aware", "--deny-warnings"] },
  { name: "types", run: [`${bin}/typescript/bin/tsc`, "-b"] },
  { name: "layers", run: ["scripts/layers.mjs"] },
];

/**
 * @param {string[]} command arguments to node
 * @param {NodeJS.ProcessEnv} [environment]
 */
function succeeds(command, environment = process.env) {
  return spawnSync(process.execPath, command, { stdio: "inherit", env: environment }).status === 0;
}

/** @param {string[]} filters @returns {Count} */
function runTests(filters) {
  const directory = mkdtempSync(join(tmpdir(), "sixfold-check-"));
  const file = join(directory, "count.json");
  try {
    const ok = succeeds([`${bin}/vitest/vitest.mjs`, "run", ...filters], {
      ...process.env,
      SIXFOLD_COUNT_FILE: file,
    });
    /** @type {Count} */
    const count = existsSync(file)
      ? JSON.parse(readFileSync(file, "utf8"))
      : { passed: 0, failed: 0, skipped: 0 };
    // A runner that dies, or fails for a reason no test stands for, is a failure all the same.
    if (!ok && count.failed === 0) count.failed = 1;
    return count;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @type {Count} */
const total = { passed: 0, failed: 0, skipped: 0 };
for (const { name, run } of steps) {
  const started = performance.now();
  const ok = succeeds(run);
  total[ok ? "passed" : "failed"] += 1;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${ok ? "ok    " : "FAILED"} ${name} (${seconds} s)\n`);
}
const tests = runTests(process.argv.slice(2));
total.passed += tests.passed;
total.failed += tests.failed;
total.skipped += tests.skipped;
process.stdout.write(`${countLine(total)}\n`);
process.exitCode = total.failed === 0 ? 0 : 1;
