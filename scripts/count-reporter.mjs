/**
 * A vitest reporter that ends a run with the line `N passed, N failed`. It runs beside the default
 * reporter. Under `npm test`, which adds the checks before the tests to the same line, it writes the
 * numbers to the file named by SIXFOLD_COUNT_FILE instead, so that the line is printed only once.
 */
import { writeFileSync } from "node:fs";

/** @typedef {{ passed: number, failed: number, skipped: number }} Count */
/** @typedef {import("vitest/node").Reporter} Reporter */

/** @param {Count} count */
export function countLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/**
 * Tests by outcome. A module that could not be collected, and an error outside of any test, are failures
 * of their own: no test would stand for them.
 * @param {readonly import("vitest/node").TestModule[]} modules
 * @param {readonly unknown[]} unhandledErrors
 * @returns {Count}
 */
export function countOf(modules, unhandledErrors) {
  const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
  for (const module of modules) {
    let failedHere = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") count.passed += 1;
      else if (state === "failed") failedHere += 1;
      else count.skipped += 1;
    }
    if (failedHere === 0 && module.state() === "failed") failedHere = 1;
    count.failed += failedHere;
  }
  return count;
}

/** @implements {Reporter} */
export default class CountReporter {
  /**
   * @param {readonly import("vitest/node").TestModule[]} modules
   * @param {readonly unknown[]} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const count = countOf(modules, unhandledErrors);
    const file = process.env.SIXFOLD_COUNT_FILE;
    if (file === undefined) process.stdout.write(`${countLine(count)}\n`);
    else writeFileSync(file, JSON.stringify(count));
  }
}
