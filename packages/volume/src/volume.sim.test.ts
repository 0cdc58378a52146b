import { describe, expect, test } from "vitest";
import { firstViolation, Simulation } from "./test-kit/simulation.ts";

describe("random lives of a shared volume", () => {
  test("no promise is broken, and everything is decided in the end (I1, I2, I3, I4, I6, I7)", () => {
    let commits = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const simulation = new Simulation({ seed, steps: 600 });
      expect({ seed, what: simulation.run() }).toEqual({ seed, what: undefined });
      commits += simulation.committedCount;
    }
    expect(commits).toBeGreaterThan(400);
  });
});
