/** The simulator itself, the runs that failed once, and fresh seeds. */
import { describe, expect, test } from "vitest";
import { CORPUS } from "./corpus.ts";
import { FAULT_KINDS, FAULT_NAMES } from "./fault-catalogue.ts";
import { makePlan } from "./make-plan.ts";
import { type Choices, commandOf, describePlan, type Plan } from "./plan.ts";
import { shrink } from "./shrink.ts";
import { simulate } from "./simulate.ts";

/** Fresh seeds each day the tests run; printed with their result, so that a failure can be had again. */
const SMOKE_RUNS = 12;
const smoke = Number(process.env["SIXFOLD_SMOKE_SEED"] ?? Date.now() % 2 ** 31);

const verdict = async (seed: number, choices: Parameters<typeof makePlan>[1]): Promise<string> => {
  const plan = makePlan(seed, choices);
  const { violations } = await simulate(plan);
  return violations.length === 0
    ? "ok"
    : [commandOf(plan, choices ?? {}), ...violations.map(({ kind, text }) => `${kind}: ${text}`)].join("\n");
};

describe("runs that failed once", () => {
  for (const { seed, choices, wrong } of CORPUS)
    // The older ones had no replicas.
    test(wrong, async () => expect(await verdict(seed, { replicas: 0, ...choices })).toBe("ok"));
});

describe(`fresh seeds from ${smoke} on`, () => {
  for (let seed = smoke; seed < smoke + SMOKE_RUNS; seed++)
    test(`sixfold simulate --seed ${seed}`, async () => expect(await verdict(seed, {})).toBe("ok"));
});

describe("the simulator", () => {
  test("the same seed gives the same run, another seed another", async () => {
    const hashes = [];
    for (const seed of [5, 5, 6]) hashes.push((await simulate(makePlan(seed))).hash);
    expect(hashes[0]).toBe(hashes[1]);
    expect(hashes[0]).not.toBe(hashes[2]);
  });

  test("every kind of fault is drawn by some seed, described, and has a name of its own", () => {
    expect(new Set(FAULT_NAMES).size).toBe(FAULT_NAMES.length);
    const drawn = new Set<string>();
    for (let seed = 0; seed < 200; seed++) for (const { kind } of makePlan(seed).faults) drawn.add(kind);
    expect([...drawn].sort()).toEqual([...FAULT_NAMES].sort());
    for (const { name } of FAULT_KINDS)
      for (let seed = 0; seed < 20; seed++)
        for (const line of describePlan(makePlan(seed, { faults: [name] })))
          expect(line).not.toMatch(/undefined|NaN/);
  });

  test("leaving a fault or a workload out changes nothing in the others", () => {
    let seed = 1;
    while (makePlan(seed).faults.length < 3) seed++;
    const whole = makePlan(seed);
    const part = makePlan(seed, { keep: [whole.faults[0]!.index] });
    expect(part.faults).toEqual([whole.faults[0]]);
    expect({ ...part, faults: whole.faults }).toEqual(whole);
  });

  test("a failing run is made smaller until only what makes it fail is left", async () => {
    let seed = 1;
    const plan = (choices: Choices): Plan => makePlan(seed, choices);
    const kinds = (choices: Choices): string[] => plan(choices).faults.map((fault) => fault.kind);
    // Each of its kinds once: of two alike either would do.
    const isPlain = (all: string[]): boolean => all.length >= 5 && new Set(all).size === all.length;
    while (!isPlain(kinds({})) || plan({}).loads.length < 2) seed++;
    const [first, , third] = kinds({});
    const workload = plan({}).loads[1]!.workload;
    const fails = (choices: Choices): Promise<boolean> =>
      Promise.resolve(
        kinds(choices).includes(first!) &&
          kinds(choices).includes(third!) &&
          plan(choices).loads.some((load) => load.workload === workload),
      );
    const { choices, runs } = await shrink({}, plan, fails);
    expect(kinds(choices)).toEqual([first, third]);
    expect(plan(choices).loads.map((load) => load.workload)).toEqual([workload]);
    expect(runs).toBeGreaterThanOrEqual(kinds({}).length);
    expect(commandOf(plan(choices), choices)).toMatch(/--seed \d+ --workload [a-z-]+ --keep \d+,\d+$/);
  });
});
