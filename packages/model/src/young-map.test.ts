/** Maps and sets of what comes and goes: they are like others, but what passes through them does not grow old. */
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { expect, test } from "vitest";
import { YoungMap, YoungSet } from "./young-map.ts";

const KEYS = 12;
const step = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), key: fc.nat(KEYS) }),
  fc.record({ kind: fc.constant("delete" as const), key: fc.nat(KEYS) }),
  fc.record({ kind: fc.constant("clear" as const), key: fc.constant(0) }),
);
/** Long enough that there are several new ones behind it. */
const steps = fc.array(step, { minLength: 100, maxLength: 400 });

test("they hold what a Map and a Set hold, in the same order", () => {
  fc.assert(
    fc.property(steps, (all) => {
      const [map, plainMap] = [new YoungMap<number, number>(), new Map<number, number>()];
      const [set, plainSet] = [new YoungSet<number>(), new Set<number>()];
      for (const [n, { kind, key }] of all.entries()) {
        if (kind === "set") {
          map.set(key, n);
          plainMap.set(key, n);
          set.add(key);
          plainSet.add(key);
        } else if (kind === "delete") {
          expect([map.delete(key), set.delete(key)]).toEqual([plainMap.delete(key), plainSet.delete(key)]);
        } else if (n % 7 === 0) {
          map.clear();
          plainMap.clear();
        }
        expect([map.size, map.get(key), map.has(key)]).toEqual([
          plainMap.size,
          plainMap.get(key),
          plainMap.has(key),
        ]);
        expect([set.size, set.has(key)]).toEqual([plainSet.size, plainSet.has(key)]);
      }
      expect([...map]).toEqual([...plainMap]);
      expect([...map.values()]).toEqual([...plainMap.values()]);
      expect([...set]).toEqual([...plainSet]);
    }),
    { numRuns: 100 },
  );
});

test("a loop over all may delete each", () => {
  const map = new YoungMap<number, string>();
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 50; i++) map.set(i, "x");
    const seen: number[] = [];
    for (const [key] of map) {
      seen.push(key);
      map.delete(key);
    }
    expect([seen.length, map.size]).toEqual([50, 0]);
  }
});

/** MiB by which what is old grows while 64 MiB pass through, 32 elements at a time. */
function grownOld(
  put: (n: number, element: object) => void,
  take: (n: number, element: object) => void,
): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options?: { type: "minor" }) => void;
  const old = (): number =>
    getHeapSpaceStatistics()
      .filter(({ space_name: name }) => name === "old_space")
      .reduce((sum, { space_used_size: used }) => sum + used, 0);
  const under: object[] = [];
  const pass = (n: number): void => {
    const element = Array.from({ length: 120 }, (_, i) => i + n + 0.5);
    put(n, element);
    under.push(element);
    if (n >= 32) take(n - 32, under.shift()!);
  };
  let n = 0;
  while (n < 64) pass(n++);
  // All that stands in the map now is old, and so is its table.
  collect();
  collect();
  const before = old();
  for (let rounds = 0; rounds < 64; rounds++) {
    for (let i = 0; i < 1000; i++) pass(n++);
    collect({ type: "minor" });
  }
  return (old() - before) / 2 ** 20;
}

test("what passes through is gone with the young", () => {
  const map = new YoungMap<number, object>();
  const set = new YoungSet<object>();
  expect(
    grownOld(
      (n, element) => map.set(n, element),
      (n) => map.delete(n),
    ),
  ).toBeLessThan(8);
  expect(
    grownOld(
      (_, element) => set.add(element),
      (_, element) => set.delete(element),
    ),
  ).toBeLessThan(8);
});
