/**
 * The checker against the axioms, on random histories small enough to try every order (testing/brute-force.ts). With lists
 * that are read in the end both must agree on every history; with registers, or several options in one history, the
 * checker may miss what it cannot know, but must never accuse.
 */
import { describe, expect, test } from "vitest";
import { check } from "./check.ts";
import { formatReport } from "./format-report.ts";
import type { History } from "./history.ts";
import { PROMISES, type AnomalyName } from "./report.ts";
import { isExplicable } from "./testing/brute-force.ts";
import { options, showHistory } from "./testing/notation.ts";
import { Random } from "./testing/random.ts";
import { makeTinyHistory, type Shape } from "./testing/tiny-histories.ts";

interface Tally {
  allowed: number;
  forbidden: number;
  missed: number;
  /** Forbidden ones that only a cycle gave away. */
  cycles: number;
  /** One that was missed. */
  example: string;
}

const NEEDS_NO_CYCLE = new Set<AnomalyName>([
  "garbage read",
  "duplicate",
  "incompatible order",
  "internal inconsistency",
  "G1a",
  "G1b",
]);

/** Compares verdicts on `runs` histories. A false alarm fails at once, a miss is counted, and shown by `whatIsMissed`. */
function compare(shape: Shape, runs: number, seed: number): Tally {
  const tally: Tally = { allowed: 0, forbidden: 0, missed: 0, cycles: 0, example: "" };
  for (let run = 0; run < runs; run++) {
    const history = makeTinyHistory(shape, new Random(seed * 1_000_003 + run));
    const allowed = isExplicable(history);
    const report = check(history);
    if (allowed && !report.valid)
      expect.fail(`false alarm:\n${showHistory(history)}\n${formatReport(report)}`);
    if (allowed) tally.allowed++;
    else tally.forbidden++;
    if (!report.valid && report.violations.every(({ name }) => !NEEDS_NO_CYCLE.has(name))) tally.cycles++;
    if (allowed || !report.valid) continue;
    tally.missed++;
    tally.example = showHistory(history);
  }
  return tally;
}

/** The verdict of both. */
function agreed(history: History): boolean {
  const { valid } = check(history);
  if (valid !== isExplicable(history)) expect.fail(showHistory(history));
  return valid;
}

/** Histories of each test. More, for once: CHECKER_RUNS=20000. */
const RUNS = Number(process.env["CHECKER_RUNS"] ?? 600);

const lists: Omit<Shape, "promises" | "hasOrder"> = {
  kind: "list",
  transactions: 5,
  keys: 3,
  isComplete: true,
  hasUnknown: false,
};
const registers: Omit<Shape, "promises" | "hasOrder"> = { ...lists, kind: "register", isComplete: false };

describe("against the axioms", () => {
  for (const promise of PROMISES) {
    for (const hasOrder of [false, true]) {
      const ordered = hasOrder ? ", with sessions and time" : "";
      test(`lists, ${promise}${ordered}: agrees on every history`, () => {
        const tally = compare({ ...lists, promises: [promise], hasOrder }, RUNS, 1);
        expect(tally.example).toBe("");
        expect(Math.min(tally.allowed, tally.cycles)).toBeGreaterThan(RUNS / 20);
      });
      test(`registers, ${promise}${ordered}: no false alarm, few misses`, () => {
        const tally = compare({ ...registers, promises: [promise], hasOrder }, RUNS, 2);
        expect(tally.forbidden).toBeGreaterThan(RUNS / 20);
        expect(tally.missed / tally.forbidden).toBeLessThan(0.02);
      });
    }
  }

  test("forked reads: what each option makes of a long fork, and of write skew", () => {
    const seen = { "long fork": 0, serializable: 0 };
    for (let run = 0; run < RUNS; run++) {
      const shape: Shape = {
        ...lists,
        keys: 2,
        isForked: true,
        promises: ["snapshot+session"],
        hasOrder: false,
      };
      const history = makeTinyHistory(shape, new Random(4_000_003 + run));
      const asPromised = (promise: string): boolean =>
        agreed(history.map((transaction) => ({ ...transaction, ...options(promise) })));
      const atSnapshot = asPromised("snapshot+session");
      const atCluster = asPromised("snapshot+cluster");
      const atSerializable = asPromised("serializable+session");
      if (!atSnapshot) continue;
      const names = check(history).allowed.map(({ name }) => name);
      if (names.includes("long fork") === atCluster || names.length > 0 === atSerializable)
        expect.fail(`${names.join(", ")} in\n${showHistory(history)}`);
      if (!atCluster) seen["long fork"]++;
      if (atSerializable) seen.serializable++;
    }
    expect(seen["long fork"]).toBeGreaterThan(RUNS / 100);
    expect(seen.serializable).toBeGreaterThan(RUNS / 20);
  });

  for (const kind of ["list", "register"] as const) {
    test(`${kind}s, all options mixed, unknown outcomes, writes nobody read: no false alarm`, () => {
      const mixed = {
        ...lists,
        kind,
        promises: PROMISES,
        hasOrder: true,
        isComplete: false,
        hasUnknown: true,
      };
      const tally = compare(mixed, RUNS, 3);
      expect(tally.cycles).toBeGreaterThan(RUNS / 20);
    });
  }
});
