import { describe, expect, test } from "vitest";
import { liveRegister } from "./test-kit/register-life.ts";

describe("the manifest register", () => {
  test("is linearizable under loss and reordering, with proposers that sleep and die", () => {
    let changes = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const life = liveRegister({ seed, moves: false });
      expect({ seed, faults: life.faults }).toEqual({ seed, faults: [] });
      changes += life.changes;
    }
    expect(changes).toBeGreaterThan(300);
  });

  test("stays so while its seats move", () => {
    const sum = { changes: 0, moves: 0, gone: 0 };
    for (let seed = 1; seed <= 60; seed++) {
      const life = liveRegister({ seed, moves: true });
      expect({ seed, faults: life.faults }).toEqual({ seed, faults: [] });
      sum.changes += life.changes;
      sum.moves += life.moves;
      sum.gone += life.gone;
    }
    expect(sum.changes).toBeGreaterThan(250);
    expect(sum.moves).toBeGreaterThan(250);
    expect(sum.gone).toBeGreaterThan(50);
  });

  test.each([
    ["three of six seats were enough", "manifest-majority-of-three", false],
    ["a majority of the old seats were enough while they move", "moving-seats-in-old-set-only", true],
  ] as const)("would not be, if %s", (_, bug, moves) => {
    const seeds = Array.from({ length: 30 }, (__, i) => i + 1);
    const caught = seeds.find(
      (seed) => liveRegister({ seed, moves, steps: 10_000, planted: [bug] }).faults.length > 0,
    );
    expect(caught).toBeDefined();
  });
});
