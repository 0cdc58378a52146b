import { describe, expect, test } from "vitest";
import { judge, PhaseClock, type Phase } from "./phases.ts";

const phase = (name: string, committed: number): Phase => ({
  name,
  seconds: 2,
  committed,
  longestPauseMs: 0,
});
const phases = (lost: number, after: number): Phase[] => [
  phase("before", 1000),
  phase("zone lost", lost),
  phase("after", after),
];

describe("what a soak finds", () => {
  test("passes at the bounds, and says by how much it misses them", () => {
    expect(judge(phases(700, 950), "ok", [])).toEqual({ during: 0.7, after: 0.95, faults: [] });
    expect(judge(phases(690, 940), "ok", []).faults).toEqual([
      "69 % of the throughput while a zone was lost, not 70 %",
      "94 % of the throughput after it returned, not 95 %",
    ]);
  });

  test("a broken invariant and a broken rule fail it, whatever the speed", () => {
    expect(judge(phases(1000, 1000), "broken: 3 transfers are gone", ["I3"]).faults).toEqual([
      "broken: 3 transfers are gone",
      "I3",
    ]);
  });

  test("without a commit before there is nothing to compare with", () => {
    const none = [phase("before", 0), phase("zone lost", 0), phase("after", 0)];
    expect(judge(none, "ok", []).faults).toHaveLength(2);
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
