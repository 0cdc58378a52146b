import { describe, expect, test } from "vitest";
import { judge, PhaseClock, type Phase } from "./phases.ts";

const phase = (name: string, committed: number): Phase => ({
  name,
  seconds: 2,
  committed,
  longestPauseMs: 0,
});
const phases = (...committed: number[]): Phase[] =>
  committed.map((each, i) => phase(i % 2 === 0 ? "whole" : "zone lost", each));

describe("what a soak finds", () => {
  test("passes at the bounds, and says by how much it misses them", () => {
    expect(judge([phase("warm-up", 1), ...phases(1000, 700, 1000)], "ok", [])).toEqual({
      during: 0.7,
      after: 1,
      faults: [],
    });
    expect(judge(phases(1000, 690, 940), "ok", []).faults).toEqual([
      "94 % of the throughput after it returned, not 95 %",
    ]);
    expect(judge(phases(1000, 600, 1000), "ok", []).faults).toEqual([
      "60 % of the throughput while a zone was lost, not 70 %",
    ]);
  });

  test("one window in which the machine was busy otherwise does not count for much", () => {
    expect(judge(phases(1000, 800, 1000, 100, 1000, 800, 1000), "ok", [])).toMatchObject({
      during: 0.8,
      faults: [],
    });
    // The machine slows down all the time: what was lost is held against before and after.
    expect(judge(phases(1000, 800, 990, 780, 980), "ok", []).faults).toEqual([]);
  });

  test("a broken invariant and a broken rule fail it, whatever the speed", () => {
    expect(judge(phases(1000, 1000, 1000), "broken: 3 transfers are gone", ["I3"]).faults).toEqual([
      "broken: 3 transfers are gone",
      "I3",
    ]);
  });

  test("without a commit there is nothing to compare with", () => {
    expect(judge(phases(0, 0, 0), "ok", []).faults).toHaveLength(2);
  });

  test("a phase counts what was committed in it, and ends with what happens meanwhile", async () => {
    const load = { committed: 5, checkHealth: () => undefined };
    const clock = new PhaseClock(load);
    const counted = await clock.run("kills", 0, async () => void (load.committed += 7));
    expect(counted).toMatchObject({ name: "kills", committed: 7 });
    const failing = {
      committed: 0,
      checkHealth: () => {
        throw new Error("a client failed");
      },
    };
    await expect(new PhaseClock(failing).run("before", 0.02)).rejects.toThrow("a client failed");
  });
});
