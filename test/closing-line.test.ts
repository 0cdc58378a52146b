/**
 * The last line of a test run is what machines read: it must count what failed in every way a run can
 * fail, or a broken run passes for a good one.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { countLine } from "../scripts/count-reporter.mjs";

const root = resolve(import.meta.dirname, "..");
let directory = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sixfold-closing-"));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Runs vitest with our reporter on the given test files (test functions as globals). */
function run(files: Record<string, string>, environment: Record<string, string> = {}) {
  for (const [name, source] of Object.entries(files)) writeFileSync(join(directory, name), source);
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const reporter = `--reporter=${join(root, "scripts/count-reporter.mjs")}`;
  const args = [vitest, "run", "--globals", `--root=${directory}`, reporter];
  const inherited: NodeJS.ProcessEnv = { ...process.env, ...environment };
  if (environment["SIXFOLD_COUNT_FILE"] === undefined) delete inherited["SIXFOLD_COUNT_FILE"];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    cwd: directory,
    encoding: "utf8",
    env: inherited,
  });
  return { last: stdout.trimEnd().split("\n").at(-1), status, stderr };
}

const good = `test("a", () => {}); test("b", () => {});`;

test("a good run", () => {
  const { last, status } = run({ "good.test.js": good });
  expect([last, status]).toEqual(["2 passed, 0 failed", 0]);
});

test("failed and skipped tests, files that do not load and stray errors all count", () => {
  const { last, status } = run({
    "good.test.js": good,
    "bad.test.js": `test("a", () => { throw new Error("planted"); }); test.skip("b", () => {});`,
    "unloadable.test.js": `import "./missing.js"; test("never", () => {});`,
    "stray.test.js": `test("a", async () => {
      setTimeout(() => { throw new Error("planted"); });
      await new Promise((resolve) => setTimeout(resolve, 20));
    });`,
  });
  expect([last, status]).toEqual(["3 passed, 3 failed, 1 skipped", 1]);
});

test("under npm test the numbers go to a file, since the line there counts the other checks too", () => {
  const file = join(directory, "count.json");
  const { last } = run({ "good.test.js": good }, { SIXFOLD_COUNT_FILE: file });
  expect(last).not.toMatch(/passed, /);
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ passed: 2, failed: 0, skipped: 0 });
});

test("the line names skipped tests only if there are some", () => {
  expect(countLine({ passed: 3, failed: 0, skipped: 0 })).toBe("3 passed, 0 failed");
  expect(countLine({ passed: 3, failed: 1, skipped: 2 })).toBe("3 passed, 1 failed, 2 skipped");
});
