import { Engine } from "@sixfold/engine";
import { LIMITS, lsn, nodeName, NONE, streamId, transactionId, type SixfoldError } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { ClientDesk, type DeskIo } from "./client-desk.ts";
import { TransactionLog } from "./transaction-log.ts";

const LINK = 1;
const WAIT_LIMIT_MS = 10_000;
const CATCH_UP_LIMIT_MS = 250;

/** A desk before an engine that has no pages: what is asked of it waits for them. */
function world() {
  const geometry = { pageBytes: 4096, segmentBytes: 64 * 4096 };
  const engine = new Engine({ geometry, poolPages: 8, conflicts: "row", seed: 1 });
  const rounds: (() => void)[] = [];
  const clock = { now: 0, freshAt: Number.NEGATIVE_INFINITY, isFollower: false };
  const io: DeskIo = {
    get now() {
      return clock.now;
    },
    isReady: true,
    get isFollower() {
      return clock.isFollower;
    },
    get freshAt() {
      return clock.freshAt;
    },
    name: nodeName("replica-1"),
    catchUpLimitMs: CATCH_UP_LIMIT_MS,
    engine,
    procedures: new Map(),
    shows: () => true,
    clusterRead: (then) => void rounds.push(then),
    clusterSnapshot: (_locks, then) => void rounds.push(() => then(undefined)),
    isOwn: () => true,
    findOutcome: () => undefined,
    status: () => ({}),
    explain: (error: SixfoldError) => error,
  };
  const desk = new ClientDesk(io, new TransactionLog(100), WAIT_LIMIT_MS);
  desk.linkOpened(LINK);
  return { engine, rounds, clock, desk };
}

/** Storage that has no pages yet, and takes every entry. */
function serve(engine: Engine, desk: ClientDesk, now: number): void {
  for (let effect = engine.effects.shift(); effect !== undefined; effect = engine.effects.shift())
    if (effect.kind === "reply") desk.replied(effect.request, effect.result);
    else if (effect.kind === "submit") engine.decided(effect.entry.lsn, "commit", undefined, now);
    else if (effect.kind === "load") {
      const { pages, readPoint } = effect;
      engine.pagesLoaded(
        pages.map((page) => ({ page, readPoint, version: NONE, image: undefined })),
        now,
      );
    }
}

describe("the clients' desk", () => {
  test.each(["snapshot", "serializable"] as const)(
    "a %s transaction that waited for its cluster round begins when that has ended",
    (isolation) => {
      const { engine, rounds, clock, desk } = world();
      const begin = { isolation, consistency: "cluster" } as const;
      const tx = { id: transactionId("1-a"), begin };
      const body = { op: "get", tx, table: "t", keys: [Uint8Array.of(1)], forUpdate: false } as const;
      desk.receive(LINK, [{ request: 1, body }], clock.now);
      expect(engine.stats.transactions).toBe(0);
      clock.now = WAIT_LIMIT_MS - 1;
      rounds.pop()!();
      expect(engine.stats).toMatchObject({ transactions: 1, waiting: 1 });
      engine.tick(LIMITS.transactionAgeMs + 1);
      expect(engine.stats.waiting).toBe(1);
      engine.tick(LIMITS.transactionAgeMs + WAIT_LIMIT_MS);
      expect(engine.stats.waiting).toBe(0);
    },
  );

  test("answers of one turn are given once", () => {
    const { engine, clock, desk } = world();
    const tx = {
      id: transactionId("1-a"),
      begin: { isolation: "snapshot", consistency: "session" },
    } as const;
    desk.receive(LINK, [{ request: 7, body: { op: "commit", tx, writes: [] } }], clock.now);
    const [effect] = engine.effects;
    if (effect?.kind !== "reply") return expect.fail("an empty commit is answered at once");
    desk.replied(effect.request, effect.result);
    const answer = { request: 7, result: { op: "commit", attempts: 0 } };
    expect(desk.takeAnswers()).toEqual([[LINK, [answer]]]);
    expect(desk.takeAnswers()).toEqual([]);
  });

  test("a create or drop that changes nothing has no outcome but aborted: a lost answer is no change", () => {
    const { engine, clock, desk } = world();
    engine.open(streamId(1), true, lsn(1), clock.now);
    let requests = 0;
    const said = (op: "createTable" | "dropTable"): unknown[] => {
      const id = transactionId(`1-${++requests}`);
      const tx = { id, begin: { isolation: "snapshot", consistency: "session" } } as const;
      desk.receive(LINK, [{ request: 1, body: { op, tx, table: "t" } }], clock.now);
      serve(engine, desk, clock.now);
      desk.receive(LINK, [{ request: 2, body: { op: "outcome", id } }], clock.now);
      return desk.takeAnswers()[0]![1].map(({ result }) => {
        if (result.op === op) return result.changed;
        return result.op === "outcome" ? result.outcome : result;
      });
    };
    expect(said("createTable")).toEqual([true, "committed"]);
    expect(said("createTable")).toEqual([false, "aborted"]);
    expect(said("dropTable")).toEqual([true, "committed"]);
    expect(said("dropTable")).toEqual([false, "aborted"]);
  });

  test("a read with maxLagMs waits for a round only if what is shown may be older", () => {
    const { engine, rounds, clock, desk } = world();
    const read = (request: number, maxLagMs: number): void => {
      const alone = { isolation: "snapshot", consistency: "session", maxLagMs } as const;
      const body = { op: "get", alone, table: "t", keys: [Uint8Array.of(1)], forUpdate: false } as const;
      desk.receive(LINK, [{ request, body }], clock.now);
    };
    clock.now = 1000;
    read(1, 50); // nothing is known yet
    expect(rounds).toHaveLength(1);
    expect(engine.stats.waiting).toBe(0);
    clock.freshAt = 1000;
    rounds.pop()!();
    expect(engine.stats.waiting).toBe(1);
    clock.now = 1050;
    read(2, 50);
    expect(rounds).toHaveLength(0);
    expect(engine.stats.waiting).toBe(2);
    clock.now = 1051;
    read(3, 50);
    expect(rounds).toHaveLength(1);
    expect(engine.stats.waiting).toBe(2);
  });

  test("one that the node does not catch up for is to go elsewhere, and so is what waits behind it", () => {
    const { clock, desk } = world();
    clock.now = 1000;
    clock.freshAt = 400;
    const begin = { isolation: "snapshot", consistency: "session", maxLagMs: 50 } as const;
    const id = transactionId("1-a");
    const get = (tx: { id: typeof id; begin?: typeof begin }) =>
      ({ op: "get", tx, table: "t", keys: [Uint8Array.of(1)], forUpdate: false }) as const;
    desk.receive(LINK, [{ request: 1, body: get({ id, begin }) }], clock.now);
    desk.receive(LINK, [{ request: 2, body: get({ id }) }], clock.now);
    clock.now += CATCH_UP_LIMIT_MS;
    desk.expire(clock.now);
    const [[, answers] = [0, []]] = desk.takeAnswers();
    expect(answers.map(({ request }) => request)).toEqual([1, 2]);
    for (const { result } of answers)
      expect(result).toMatchObject({
        op: "error",
        error: { code: "too-stale", retryable: "same-request", details: { maxLagMs: 50, lagMs: 850 } },
      });
    expect(desk.waiting).toBe(0);
  });

  test("a replica promises no serializable transaction, and says what to ask for instead", () => {
    const { engine, clock, desk } = world();
    clock.isFollower = true;
    const begin = { isolation: "serializable", consistency: "session" } as const;
    const tx = { id: transactionId("0-a"), begin };
    const body = { op: "get", tx, table: "t", keys: [Uint8Array.of(1)], forUpdate: false } as const;
    desk.receive(LINK, [{ request: 1, body }], clock.now);
    const [[, [answer]] = [0, []]] = desk.takeAnswers();
    expect(answer?.result).toMatchObject({
      op: "error",
      error: { code: "not-a-writer", details: { option: "isolation", node: "replica-1" } },
    });
    expect(engine.stats).toMatchObject({ transactions: 0, waiting: 0 });
  });

  test("as many requests wait as may; the next is refused, and those that wait are served", () => {
    const { rounds, clock, desk } = world();
    const alone = { isolation: "snapshot", consistency: "cluster" } as const;
    const body = { op: "get", alone, table: "t", keys: [Uint8Array.of(1)], forUpdate: false } as const;
    for (let request = 1; request <= LIMITS.waitingRequests + 2; request++)
      desk.receive(LINK, [{ request, body }], clock.now);
    expect(desk.waiting).toBe(LIMITS.waitingRequests);
    const [[, refused] = [0, []]] = desk.takeAnswers();
    expect(refused.map(({ request }) => request - LIMITS.waitingRequests)).toEqual([1, 2]);
    expect(refused[0]!.result).toMatchObject({
      op: "error",
      error: { code: "overloaded", outcome: "not-started", details: { limit: { name: "waitingRequests" } } },
    });
    for (const round of rounds) round();
    expect(desk.waiting).toBe(0);
  });
});
