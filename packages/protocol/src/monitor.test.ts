/**
 * The monitor on small told lives: a sound one is silent, and each condition that the formal model has no events for finds its break. (The others:
 * `model/breaks.test.ts`; rough order: `rough-order.test.ts`.)
 */
import {
  lsn,
  nodeName,
  NONE,
  pageId,
  pgId,
  streamId,
  transactionId,
  type Manifest,
  type NodeName,
  type PageVersion,
} from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { CONDITIONS } from "./conditions.ts";
import { Monitor, showViolation } from "./monitor.ts";
import { point, ToldCluster, v } from "./testing/told-cluster.ts";

function conditionsOf(life: (c: ToldCluster) => void): string[] {
  const monitor = new Monitor();
  life(new ToldCluster(monitor));
  return [...new Set(monitor.finish().map((violation) => violation.condition))];
}

describe("the monitor", () => {
  test("has one name for each condition, and a sentence", () => {
    expect(new Set(CONDITIONS.map((c) => c.name)).size).toBe(CONDITIONS.length);
    for (const c of CONDITIONS) expect([c.rule, c.says].every((text) => text.length > 1)).toBe(true);
  });

  test("is silent on a sound life: commits, an abort told when durable, two streams on one page, a read, a close", () => {
    const sound = (c: ToldCluster): void => {
      c.open(1);
      c.open(2);
      c.commit(1, 1, { writes: [[7, NONE]] });
      c.send(1, 2, { writes: [[7, v(1, 1)]] });
      c.vote(1, 2, 3);
      c.decide(1, 2, "abort", "yield");
      c.learn(1, 2, [2], 6);
      c.durable(1, 2);
      c.tell(1, 2, "abort");
      c.show("writer-2", 1, 2, point([1, 2]));
      c.commit(2, 1, { writes: [[7, v(1, 1)]], builtOn: point([1, 2]) });
      c.read(7, v(2, 1), point([1, 2], [2, 1]));
      c.read(7, v(1, 1), point([1, 2]));
      c.show("writer-1", 2, 1, point([1, 2], [2, 1]));
      c.close(1, 2);
    };
    expect(conditionsOf(sound)).toEqual([]);
  });

  test("durable point: no gap (I1), four of six, and no abort that may still be overruled", () => {
    const gap = (c: ToldCluster): void => {
      c.open(1);
      c.send(1, 1);
      c.send(1, 2);
      c.vote(1, 2, 6);
      c.decide(1, 2);
      c.durable(1, 2);
    };
    expect(conditionsOf(gap)).toEqual(["lsn-order", "durable-without-gaps"]);
    const three = (c: ToldCluster): void => {
      c.open(1, true);
      c.send(1, 1);
      c.vote(1, 1, 3);
      c.decide(1, 1);
      c.durable(1, 1);
    };
    expect(conditionsOf(three)).toEqual(["votes-decide", "told-is-stored", "durable-on-four"]);
    const open = (c: ToldCluster): void => {
      c.open(1);
      c.send(1, 1);
      c.vote(1, 1, 3);
      c.decide(1, 1, "abort", "yield");
      c.durable(1, 1);
    };
    expect(conditionsOf(open)).toEqual(["durable-is-final"]);
  });

  test("I4, I5: nothing is shown before the durable point, nor without what it was built on", () => {
    const early = (c: ToldCluster): void => {
      c.open(1);
      c.send(1, 1);
      c.show("writer-2", 1, 1, point([1, 1]));
    };
    expect(conditionsOf(early)).toEqual(["shown-is-durable"]);
    const causes =
      (vector: readonly (readonly [number, number])[], readable: boolean) => (c: ToldCluster) => {
        c.open(1);
        c.open(2);
        c.commit(1, 1);
        c.commit(2, 1, { writes: [[9, NONE]], builtOn: point([1, 1]) });
        c.show("replica-1", 2, 1, point(...vector), readable);
      };
    expect(conditionsOf(causes([[2, 1]], true))).toEqual(["causally-closed"]);
    expect(conditionsOf(causes([[2, 1]], false))).toEqual([]);
    expect(conditionsOf(causes([[1, 1], [2, 1]], true))).toEqual([]); // prettier-ignore
  });

  test("I8: a read is answered with the newest version that it may see", () => {
    const reads = (version: { stream: number; lsn: number }, seen: number) => (c: ToldCluster) => {
      c.open(1);
      c.commit(1, 1, { writes: [[7, NONE]] });
      c.commit(1, 2, { writes: [[7, v(1, 1)]] });
      c.read(7, v(version.stream, version.lsn), point([1, seen]));
    };
    expect(conditionsOf(reads(v(1, 1), 2))).toEqual(["whole-chain-read"]);
    expect(conditionsOf(reads(NONE, 1))).toEqual(["whole-chain-read"]);
    expect(conditionsOf(reads(v(1, 2), 1))).toEqual(["whole-chain-read"]);
    expect(conditionsOf(reads(v(1, 1), 1))).toEqual([]);
  });

  test("I3: a chain takes what its entry said, and what is committed", () => {
    const chains = (base: number, commits: boolean) => (c: ToldCluster) => {
      c.open(1);
      c.send(1, 1, { writes: [[7, NONE]] });
      c.vote(1, 1, 5);
      if (commits) c.decide(1, 1);
      const [pg, page] = [pgId(0), pageId(7)];
      c.say("segment-1", {
        kind: "chained",
        pg,
        page,
        version: v(1, 1),
        base: base === 0 ? NONE : v(1, base),
      });
    };
    expect(conditionsOf(chains(0, true))).toEqual([]);
    expect(conditionsOf(chains(0, false))).toEqual(["one-chain"]);
    expect(conditionsOf(chains(3, true))).toEqual(["one-chain"]);
  });

  test("I3: two own undecided entries are accepted on one page only if one builds on the other, in whichever order that is said", () => {
    const accepts = (base: PageVersion) => (c: ToldCluster) => {
      c.open(1);
      c.send(1, 1, { writes: [[7, NONE]] });
      c.send(1, 2, { writes: [[7, base]], ownBases: [1] });
      c.vote(1, 2, 1);
      c.vote(1, 1, 1);
      // Started anew, it says again what it accepts.
      c.vote(1, 1, 1);
      c.vote(1, 2, 1);
    };
    expect(conditionsOf(accepts(v(1, 1)))).toEqual([]);
    expect(conditionsOf(accepts(NONE))).toEqual(["sticky-accept"]);
  });

  test("I6: one author; a manifest keeps its word; an exclusive stream is alone", () => {
    const authors = (c: ToldCluster): void => {
      c.open(1);
      c.say("writer-2", {
        kind: "decided",
        stream: streamId(1),
        lsn: lsn(1),
        decision: "abort",
        by: "yield",
      });
      c.say("writer-2", { kind: "opened", stream: streamId(1), exclusive: false });
    };
    expect(conditionsOf(authors)).toEqual(["own-decisions-only", "one-author"]);
    const turncoat = (c: ToldCluster): void => {
      c.open(1);
      c.close(1, 0);
      c.open(1);
    };
    expect(conditionsOf(turncoat)).toEqual(["register", "one-author"]);
    const crowd = (c: ToldCluster): void => {
      c.open(1, true);
      c.open(2);
    };
    expect(conditionsOf(crowd)).toEqual(["exclusive-alone"]);
  });

  test("the seats of the manifest move by way of both sets", () => {
    const six = (zone: string): NodeName[] => [1, 2, 3, 4, 5, 6].map((n) => nodeName(`${zone}${n}`));
    const [old, next] = [six("a"), six("b")];
    const moves =
      (...steps: readonly Partial<Manifest>[]) =>
      (c: ToldCluster) => {
        c.open(1);
        c.manifest(1, { seats: old, revision: 10 });
        steps.forEach((step, i) => c.manifest(1, { revision: 11 + i, ...step }));
      };
    const both = { seats: old, nextSeats: next };
    expect(conditionsOf(moves(both, both, { seats: next }))).toEqual([]);
    expect(conditionsOf(moves({ seats: next }))).toEqual(["register"]);
    expect(conditionsOf(moves(both, { seats: old }))).toEqual(["register"]);
    expect(conditionsOf(moves(both, { seats: next, nextSeats: old }))).toEqual(["register"]);
    // Nobody told the revision in between.
    expect(conditionsOf(moves({ seats: next, revision: 12 }))).toEqual([]);
    expect(conditionsOf(moves(both, { seats: old, nextSeats: old, revision: 11 }))).toEqual(["register"]);
  });

  test("I2: outcomes are true, and stay so", () => {
    const id = transactionId("1-x");
    const lost = (c: ToldCluster): void => {
      c.open(1);
      c.commit(1, 1, { id });
      c.say("writer-2", { kind: "outcome", transaction: id, outcome: "aborted" });
    };
    expect(conditionsOf(lost)).toEqual(["outcome-is-true"]);
    const barred = (c: ToldCluster): void => {
      c.open(1);
      c.say("writer-2", { kind: "outcome", transaction: id, outcome: "aborted" });
      c.commit(1, 1, { id });
    };
    expect(conditionsOf(barred)).toEqual(["called-aborted-stays"]);
    const recovered = (c: ToldCluster): void => {
      c.open(1);
      c.send(1, 1, { id });
      c.vote(1, 1, 5);
      for (let i = 1; i <= 4; i++)
        c.say(`segment-${i}`, { kind: "fenced", pg: pgId(0), stream: streamId(1) });
      c.say("writer-2", { kind: "outcome", transaction: id, outcome: "aborted" });
      c.close(1, 1, [1]);
    };
    expect(conditionsOf(recovered)).toEqual(["called-aborted-stays-ruled"]);
  });

  test("a PG that has had more segments than a number has bits: an accept is counted once", () => {
    const replaced = (c: ToldCluster): void => {
      c.open(1);
      c.send(1, 1);
      c.vote(1, 1, 40);
      c.decide(1, 1);
      c.send(1, 2);
      for (const newest of [33, 34, 35])
        c.say(`segment-${newest}`, { kind: "voted", pg: pgId(0), ...v(1, 2), vote: "accept" });
      c.decide(1, 2);
    };
    expect(conditionsOf(replaced)).toEqual(["votes-decide", "told-is-stored"]);
  });

  test("a violation says what happened, by which rule, and where", () => {
    const monitor = new Monitor();
    const c = new ToldCluster(monitor);
    c.open(1);
    c.send(1, 1);
    c.vote(1, 1, 3);
    c.decide(1, 1);
    expect(showViolation(monitor.violations[0]!)).toBe(
      "votes-decide (6 commit, I1): a commit by votes has q durable accepts in each of its PGs: 4 if it owns the pages, else 5\n" +
        "  event 10, writer-1: decides commit of 1:1 by votes\n" +
        "  but PG 0: 3 accept, a commit by votes needs 5",
    );
  });

  test("memory is bounded: what is long settled is forgotten, and nothing is demanded of it", () => {
    const monitor = new Monitor({ order: "true", limits: { entriesMax: 64, pagesMax: 64 } });
    const c = new ToldCluster(monitor);
    c.open(1);
    let head = NONE;
    for (let at = 1; at <= 5000; at++) {
      c.commit(1, at, { writes: [[3, head], [100 + at, NONE]] }); // prettier-ignore
      c.learn(1, at, [], 6);
      head = v(1, at);
    }
    expect(monitor.finish()).toEqual([]);
    const { entries, pages } = monitor.sizes;
    expect(entries).toBeLessThan(64 * 2);
    expect(pages).toBeLessThanOrEqual(64 * 2);
    c.decide(1, 1, "abort", "yield");
    expect(monitor.violations).toEqual([]);
  });
});
