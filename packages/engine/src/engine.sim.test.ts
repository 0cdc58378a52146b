/**
 * Engines over one storage that votes by base check: random transfers keep the total (I3, I4, I5, I9).
 * Each property has a planted break that must be noticed.
 */
import { streamId, type PlantedBug } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import type { CommitRequest, ForeignEntry } from "./engine-api.ts";
import { Engine } from "./engine.ts";
import type { PageId, Random } from "@sixfold/model";
import type { StorageWorld } from "./testing/storage-world.ts";
import { Bank, type BankOptions } from "./testing/bank.ts";

const SEEDS = [1, 2, 3, 4];
const base = (seed: number): BankOptions => ({
  seed,
  engines: 2,
  accounts: 20,
  clients: 12,
  steps: 6000,
  yields: 0.03,
});

/** Nodes miss parts of streams; pages are held and released; what others have sent is heard of, or not. */
function gaps(world: StorageWorld, random: Random): void {
  const member = random.pick(world.members);
  const held = (): PageId[] => [...world.chains.keys()].filter(() => random.chance(0.3));
  const choice = random.int(100);
  if (choice < 1) world.skip(member);
  else if (choice < 6) member.engine.holdPages(held(), world.now);
  else if (choice < 11) member.engine.releasePages([...world.chains.keys()], world.now);
  else if (choice < 40) {
    const { stream, queue } = random.pick(world.members);
    if (stream !== member.stream) member.engine.foreignClaims(streamId(stream), queue, world.now);
  }
  world.drain(member);
}

function expectSound(bank: Bank): void {
  expect(bank.problems).toEqual([]);
  expect(bank.counts.transfers).toBeGreaterThan(20);
  expect(bank.counts.procedures).toBeGreaterThan(20);
  expect(bank.counts.audits).toBeGreaterThan(20);
}

describe("found seeds", () => {
  test("a leaf narrowed by a split behind its last row takes no row of the new one", () => {
    expect(
      new Bank({ ...base(121), engines: 3, poolPages: 8, padding: 900, steps: 5000 }).run().problems,
    ).toEqual([]);
  });

  test("looking for free pages does not unwind out of a turn", () => {
    const bank = new Bank({
      ...base(131),
      engines: 3,
      poolPages: 8,
      padding: 900,
      steps: 5000,
      isolation: "serializable",
      disturb: gaps,
    });
    expect(bank.run().problems).toEqual([]);
  });
});

describe("money is neither made nor lost", () => {
  test.each(SEEDS)("two writers, seed %i", (seed) => {
    const bank = new Bank(base(seed)).run();
    expectSound(bank);
    expect(bank.world.members.reduce((n, m) => n + m.engine.stats.takenBack, 0)).toBeGreaterThan(10);
  });

  test.each(SEEDS)("three writers with pools of few pages, seed %i", (seed) => {
    const bank = new Bank({ ...base(seed), engines: 3, poolPages: 8, padding: 900, steps: 8000 }).run();
    expectSound(bank);
    expect(bank.world.members[0]!.engine.stats.evictions).toBeGreaterThan(10);
  });

  test.each(SEEDS)("serializable, seed %i", (seed) => {
    expectSound(new Bank({ ...base(seed), isolation: "serializable", steps: 8000 }).run());
  });

  test.each(SEEDS)("one writer that yields often, seed %i", (seed) => {
    const bank = new Bank({ ...base(seed), engines: 1, yields: 0.2, accounts: 6 }).run();
    expectSound(bank);
  });

  test.each(SEEDS)("page conflicts told to clients, seed %i", (seed) => {
    const bank = new Bank({ ...base(seed), conflicts: "page", steps: 8000 }).run();
    expect(bank.problems).toEqual([]);
    expect(bank.counts.conflicts).toBeGreaterThan(5);
  });

  test.each(SEEDS)("nodes that miss part of a stream, and pages held for others, seed %i", (seed) => {
    const bank = new Bank({
      ...base(seed),
      steps: 6000,
      disturb: gaps,
    }).run();
    expectSound(bank);
  });

  test("the same seed gives the same run", () => {
    const runs = [1, 2].map(() => new Bank(base(7)).run());
    expect(runs[0]!.counts).toEqual(runs[1]!.counts);
    expect(runs[0]!.world.log.length).toBe(runs[1]!.world.log.length);
  });
});

/** What a few seeds show to be wrong. */
function problems(options: Partial<BankOptions>): string {
  const found: string[] = [];
  for (const seed of SEEDS) {
    const bank = new Bank({ ...base(seed), ...options });
    try {
      bank.run();
    } catch (reason) {
      found.push(String(reason));
    }
    found.push(...bank.problems);
  }
  return found.join("\n");
}

describe("planted breaks are noticed", () => {
  test("I9: commits that are not validated", () => {
    class Careless extends Engine {
      override commit(request: number, commit: CommitRequest, now: number): void {
        this.state.transactions.get(commit.tx.id)?.rows.clear();
        super.commit(request, commit, now);
      }
    }
    expect(problems({ make: (o) => new Careless(o) })).toMatch(/total \d+/);
  });

  test("I4: entries of which a node shows a part", () => {
    class Halving extends Engine {
      override applyForeign(entry: ForeignEntry, now: number): void {
        super.applyForeign({ ...entry, deltas: entry.deltas.slice(0, 1) }, now);
      }
    }
    expect(problems({ make: (o) => new Halving(o) })).toMatch(/total \d+/);
  });

  test("I5: entries shown before those they were built on", () => {
    expect(problems({ acausal: true, engines: 3 })).toMatch(/total \d+/);
  });

  test("I3: deltas applied to a page that is not their base", () => {
    class Blind extends Engine {
      override applyForeign(entry: ForeignEntry, now: number): void {
        const deltas = entry.deltas.map((d) => ({
          ...d,
          base: this.state.pool.get(d.page)?.version ?? d.base,
        }));
        super.applyForeign({ ...entry, deltas }, now);
      }
    }
    expect(problems({ make: (o) => new Blind(o), acausal: true })).not.toBe("");
  });

  const withBug =
    (bug: PlantedBug) =>
    (o: ConstructorParameters<typeof Engine>[0]): Engine =>
      new Engine({ ...o, planted: new Set([bug]) });

  test("I3: the page's version is not looked at", () => {
    expect(problems({ make: withBug("foreign-base-unchecked"), acausal: true, engines: 3 })).not.toBe("");
  });

  test("pages with undecided changes are evicted", () => {
    const small = { engines: 3, poolPages: 8, padding: 900, steps: 8000 };
    expect(problems({ make: withBug("evicts-undecided"), ...small })).not.toBe("");
  });

  test("an entry that does not name its own bases", () => {
    class Forgetful extends Engine {
      override call(...args: Parameters<Engine["call"]>): void {
        const { builder } = this.state;
        builder.dependOn = () => undefined;
        super.call(...args);
      }
    }
    expect(problems({ make: (o) => new Forgetful(o), yields: 0.2, engines: 1 })).not.toBe("");
  });
});
