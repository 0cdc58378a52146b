/** Random lives: seeds that once failed run first (STYLE 29). Each was a defect of this package or of a rule's reading, named beside it. */
import { describe, expect, test } from "vitest";
import { firstViolation, Simulation } from "./test-kit/simulation.ts";

const STEPS = 800;

const FOUND = [
  126, // an ack after the recovery's close taken for our own abort's durability
  79, // votes changed while a link was down and told to nobody
  24, // a reject by what was built on the entry after a recovery had committed it
  926, // a reject on a read check told at once
  1264, // a commit seen only through what was built on it
  849, // a fenced writer with nothing to send never learns of it
];

describe("random lives of a shared volume", () => {
  test.each(FOUND)("seed %i, which once failed", (seed) => {
    expect(new Simulation({ seed, steps: STEPS }).run()).toBeUndefined();
  });

  test("no promise is broken, and everything is decided in the end (I1, I2, I3, I4, I5, I6, I7)", () => {
    let commits = 0;
    for (let seed = 5001; seed <= 5080; seed++) {
      const simulation = new Simulation({ seed, steps: STEPS });
      expect({ seed, what: simulation.run() }).toEqual({ seed, what: undefined });
      commits += simulation.committedCount;
    }
    expect(commits).toBeGreaterThan(1000);
  });

  test("the same seed gives the same life", () => {
    const [a, b] = [new Simulation({ seed: 7, steps: STEPS }), new Simulation({ seed: 7, steps: STEPS })];
    expect(a.run()).toEqual(b.run());
    expect([...a.all.keys()]).toEqual([...b.all.keys()]);
    expect(a.cluster.now).toBe(b.cluster.now);
  });
});

describe("planted breaks are caught", () => {
  test("four accepts for pages that pass between masters (I3)", () => {
    expect(firstViolation({ steps: STEPS / 2, planted: ["transferred-on-four"] }, 200, 600)?.what).toMatch(
      /^I[234]/,
    );
  });
  test("the bound 6 - q off by one in recovery (I1, I2)", () => {
    expect(firstViolation({ steps: STEPS, planted: ["recovery-bound-off-by-one"] }, 120, 101)?.what).toMatch(
      /acknowledged, and is lost|^I4/,
    );
  });
  test("an abort told before it is durable (I2)", () => {
    expect(
      firstViolation({ steps: STEPS, decisionDelayMs: 3, planted: ["abort-told-early"] }, 600)?.what,
    ).toMatch(/was told, and it is committed/);
  });
  test("segments that do not keep the fence (I6)", () => {
    expect(firstViolation({ steps: STEPS, segmentBreaks: { noFence: true } }, 60)?.what).toMatch(/^I[1-6]/);
  });
});
